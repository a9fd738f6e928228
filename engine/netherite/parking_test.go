package netherite_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// listening is a log that says when a partition is parked.
type listening struct {
	slog.Handler
	parked func()
}

func (l listening) Enabled(context.Context, slog.Level) bool { return true }

func (l listening) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "partition is parked") {
		l.parked()
	}
	return nil
}

func (l listening) With(h slog.Handler) slog.Handler { l.Handler = h; return l }

func (l listening) WithAttrs(a []slog.Attr) slog.Handler { return l.With(l.Handler.WithAttrs(a)) }

func (l listening) WithGroup(name string) slog.Handler { return l.With(l.Handler.WithGroup(name)) }

// What a parked partition needs is saved by whoever sees that it is parked. A checkpoint
// that were applied after that would delete the note of it.
func TestParkedPartitionHasNoCheckpointUnderWay(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	var e *netherite.Engine
	id := named("a", 1)
	capturing := make(chan bool, 1)
	e = w.open(t, false, func(o *netherite.Options) {
		o.Logger = slog.New(listening{slog.DiscardHandler, func() { capturing <- e.IsCapturing(id) }})
	})
	startIn(t, e, "a", 1, 20, 100)
	e.ParkWhileCapturing(id)
	if <-capturing {
		t.Error("it is parked while a checkpoint of it is under way")
	}
	w.crash(e)
}

// A copy has the store as it was when it began. A partition that comes back and parks
// again meanwhile leaves the side file to it that the note in that store is of.
func TestCopyOfAPartitionThatParksAgainMeanwhileHasAllOfIt(t *testing.T) {
	w, e, ids := parkedWard(t, 20)
	startIn(t, e, "b", 0, 60, 2000)
	checkpoint(t, e)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.sick = false
	var broken atomic.Bool
	e = w.open(t, false, func(o *netherite.Options) {
		o.BeforeStep(func(id int, ev partition.Event) {
			if _, opened := ev.(*partition.Opened); id == 1 && broken.Load() && !opened {
				panic("beyond help")
			}
		})
	})
	after := &ward{fs: faultfs.New()}
	err := e.Copy(t.Context(), func(substrate.Log, substrate.Store) error {
		w.copyTo(t, after, "/hub/store")
		checkpoint(t, e)
		late := startIn(t, e, "late", 1, 1, 10)
		broken.Store(true)
		worker := helloWorker()
		worker.connect(t, e)
		t.Cleanup(worker.close)
		if got, err := ended(t.Context(), e, late[0]); err == nil {
			t.Errorf("the partition does not park: %v", got)
		}
		checkpoint(t, e)
		w.copyTo(t, after, "/hub/log")
		w.copyTo(t, after, "/hub/side")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.crash(e)
	e = after.open(t, false)
	finishAll(t, e, ids...)
	after.crash(e)
}

func checkpoint(t testing.TB, e *netherite.Engine) {
	t.Helper()
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// copyTo copies a directory as it is on the disk now.
func (w *ward) copyTo(t testing.TB, to *ward, dir string) {
	t.Helper()
	from := w.fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
	if err := to.fs.MkdirAll("/hub", 0o755); err != nil {
		t.Fatal(err)
	}
	if ok, err := vfs.Clone(from, to.fs, dir, dir, vfs.CloneSync); err != nil || !ok {
		t.Fatal(dir, ok, err)
	}
}
