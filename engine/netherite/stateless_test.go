package netherite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// Partitions whose stored state is missing while the log begins later park, and the
// log keeps what it has: it is what the right store lacks, if somebody puts that back.
func TestLogKeepsAllOfPartitionsWhoseStoredStateIsMissing(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	e := w.open(t, true)
	ids := startIn(t, e, "a", 0, 40, 2000)
	ids = append(ids, startIn(t, e, "a", 1, 40, 2000)...)
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	e = w.open(t, false)
	ids = append(ids, startIn(t, e, "b", 0, 20, 500)...)
	ids = append(ids, startIn(t, e, "b", 1, 20, 500)...)
	w.crash(e) // these are in the log alone

	if err := w.fs.Rename("/hub/store", "/hub/elsewhere"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e = w.open(t, true)
		if s := e.Stats(); s.Parked != 2 {
			t.Fatalf("%d partitions are parked", s.Parked)
		}
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: ids[0], Name: "Hello5"}); !errors.Is(err, engine.ErrDamaged) {
			t.Errorf("start: %v", err)
		}
		if err := errors.Join(e.Checkpoint(t.Context()), e.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
		if _, err := w.fs.Stat(sideName); err == nil {
			t.Error("a side file was made of half a partition")
		}
	}
	if err := errors.Join(w.fs.RemoveAll("/hub/store"), w.fs.Rename("/hub/elsewhere", "/hub/store")); err != nil {
		t.Fatal(err)
	}
	e = w.open(t, true)
	finishAll(t, e, ids...)
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
