package netherite_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// A partition that parks again, after a checkpoint that has all of its side file was
// applied and before it was flushed, leaves a note about a file of which nothing is
// needed. A crash at any operation of the next opening, which removes both, loses
// nothing: the note goes first, whatever makes the store flush before.
func TestCrashAtAnyMomentOfComingBackLosesNothing(t *testing.T) {
	w, e, ids := parkedWard(t, 5)
	other := startIn(t, e, "b", 0, 1, 0)[0]
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sick = false
	file, note := w.aside(t)
	e = w.open(t, false)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.crash(e)
	w.putAside(t, file, note)

	var crashes crashesOf
	crashes.watch(w.fs)
	e = w.open(t, false, func(o *netherite.Options) {
		o.BeforeStep(func(id int, ev partition.Event) {
			if _, opened := ev.(*partition.Opened); id == 0 && !opened {
				panic("beyond help") // and its side file is flushed at once
			}
		})
	})
	worker := helloWorker()
	worker.connect(t, e)
	if _, err := ended(t.Context(), e, other); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("wait in the partition that parks: %v", err)
	}
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Kill(false)
	worker.close()
	w.fs.SetAfter(nil)
	if _, err := w.fs.Stat("/hub/side/00000.records"); err != nil {
		t.Errorf("the other partition has no side file: %v", err)
	}
	if _, err := w.fs.Stat(sideName); err == nil {
		t.Error("the side file is still there")
	}
	w.crash(e)
	for _, fs := range append(crashes.found, w.fs) {
		after := &ward{fs: fs}
		e := after.open(t, false)
		finishAll(t, e, ids...)
		after.crash(e)
	}
}

// aside returns the side file of partition 1, and where the last of its chunks ended.
func (w *ward) aside(t testing.TB) (file []byte, last substrate.Offset) {
	t.Helper()
	err := w.fs.Alter(sideName, func(b []byte) []byte { file = bytes.Clone(b); return b })
	if err != nil {
		t.Fatal(err)
	}
	w.withStore(t, func(s substrate.Store) error {
		note, err := netherite.ReadSideNote(s, 1)
		if err == nil {
			last = note.Last
		}
		return err
	})
	return file, last
}

// putAside puts the side file back, with a note that it covers all that is stored.
func (w *ward) putAside(t testing.TB, file []byte, last substrate.Offset) {
	t.Helper()
	f, err := w.fs.Create(sideName, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(file)
	if err = errors.Join(err, f.Sync(), f.Close(), dirsync.Sync(w.fs, w.fs.PathDir(sideName))); err != nil {
		t.Fatal(err)
	}
	w.withStore(t, func(s substrate.Store) error {
		stamp, err := s.Stamp(1)
		if err != nil {
			return err
		}
		b := s.NewBatch()
		b.Set(substrate.Main, partition.ParkedKey(1), model.AppendUvarint(model.AppendUvarint([]byte{1}, uint64(stamp.Offset)), uint64(last)))
		return errors.Join(s.Apply(b, 1, stamp), s.Flush())
	})
}

func (w *ward) withStore(t testing.TB, f func(substrate.Store) error) {
	t.Helper()
	s, err := w.OpenStore(0)
	if err == nil {
		err = f(s)
	}
	w.end()
	if err != nil {
		t.Fatal(err)
	}
}
