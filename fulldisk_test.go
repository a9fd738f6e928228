package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/replaycheck"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// The disk fills up under a hub; that refuses what it cannot write, closes in
// time, and has everything acknowledged when it is opened with space again.
func TestHubOutlivesAFullDisk(t *testing.T) {
	replaycheck.Not(t)
	fs := faultfs.New()
	hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(fs))
	if err != nil {
		t.Fatal(err)
	}
	usage, err := fs.GetDiskUsage("/hub")
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes) + 2<<20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var acknowledged []string
	big := []string{strings.Repeat("x", 400<<10)}
	for i := 0; ; i++ {
		id := fmt.Sprint("tour-", i)
		short, end := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := tour.Start(short, hub, big, durable.ID(id))
		late := short.Err() != nil
		end()
		if err == nil {
			acknowledged = append(acknowledged, id)
			continue
		}
		if errors.Is(err, engine.ErrDiskFull) {
			if !strings.Contains(err.Error(), "/hub") {
				t.Errorf("it does not say which disk: %v", err)
			}
			break
		}
		if !late {
			t.Fatal(err)
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	short, end := context.WithTimeout(ctx, 100*time.Millisecond)
	defer end()
	if err := hub.Close(short); err != nil && !errors.Is(err, engine.ErrDiskFull) {
		t.Errorf("close: %v", err)
	}
	if s := hub.Stats(); s.Failures != 0 {
		t.Errorf("a full disk failed the node: %+v", s)
	}

	fs.SetCapacity(1 << 40)
	hub, err = netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(fs))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range acknowledged {
		if _, err := tour.Attach(hub, id).Wait(ctx); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := errors.Join(hub.Health(), hub.Close(ctx)); err != nil {
		t.Error(err)
	}
}

// A hub that cannot be opened, or created, for lack of space says so by name,
// whichever of its files it was that did not fit.
func TestHubThatDoesNotFitOnTheDiskSaysSo(t *testing.T) {
	for _, space := range []int64{0, 4 << 10, 32 << 10} {
		fs := faultfs.New()
		fs.SetCapacity(space)
		hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(fs))
		if err == nil {
			t.Errorf("with %d bytes it opened", space)
			hub.Kill()
			continue
		}
		if !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "/hub") {
			t.Errorf("with %d bytes: %v", space, err)
		}
	}
}

// closedHub makes a hub that is closed, with the instances of these names.
func closedHub(t *testing.T) (files *faultfs.FS, ids []string) {
	t.Helper()
	files = faultfs.New()
	hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(files))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		ids = append(ids, fmt.Sprint("tour-", i))
		if _, err := tour.Start(t.Context(), hub, []string{"x"}, durable.ID(ids[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return files, ids
}

func fillUp(t *testing.T, files *faultfs.FS) {
	t.Helper()
	usage, err := files.GetDiskUsage("/hub")
	if err != nil {
		t.Fatal(err)
	}
	files.SetCapacity(int64(usage.UsedBytes))
}

// reopen opens a hub, which has all of these instances, and closes it.
func reopen(t *testing.T, files *faultfs.FS, ids []string) {
	t.Helper()
	hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(files))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := tour.Attach(hub, id).Status(t.Context()); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A hub that is opened on a disk without any space uses what it has set aside. Once that is
// used up it says so each time, and opens when there is space.
func TestHubOpensOnAFullDiskWithItsBallast(t *testing.T) {
	replaycheck.Not(t)
	files, ids := closedHub(t)
	fillUp(t, files)
	reopen(t, files, ids)

	fillUp(t, files)
	if _, err := files.Stat("/hub/store/ballast"); err == nil {
		t.Fatal("the ballast is there again, on a full disk")
	}
	for i := range 6 {
		hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(files))
		if err == nil {
			hub.Kill()
		}
		if !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "free some space") {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	files.SetCapacity(1 << 40)
	reopen(t, files, ids)
	if _, err := files.Stat("/hub/store/ballast"); err != nil {
		t.Errorf("the ballast is not made again: %v", err)
	}
}

// The ballast is also there for the log, of which each opening may need another file.
func TestLogOpensOnAFullDiskWithTheBallast(t *testing.T) {
	replaycheck.Not(t)
	files, ids := closedHub(t)
	refused := 0
	files.SetFault(func(op faultfs.Op) error {
		if op.Kind != faultfs.OpCreate || !strings.HasPrefix(op.Path, "/hub/log/") {
			return nil
		}
		if _, err := files.Stat("/hub/store/ballast"); err != nil {
			return nil
		}
		refused++
		return syscall.ENOSPC
	})
	for i := 0; i < 4 && refused == 0; i++ {
		reopen(t, files, ids)
	}
	if refused == 0 {
		t.Error("the log has needed no file")
	}
}
