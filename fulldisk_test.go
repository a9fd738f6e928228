package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
