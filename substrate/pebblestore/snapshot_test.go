package pebblestore_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// twoRows is an open store with two rows.
func twoRows(t *testing.T) *pebblestore.Store {
	t.Helper()
	s, err := open(vfs.NewMem(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Set(substrate.Main, []byte("a"), []byte("1"))
	b.Set(substrate.Main, []byte("b"), []byte("2"))
	if err := s.Apply(b, 0, substrate.Stamp{}); err != nil {
		t.Fatal(err)
	}
	return s.(*pebblestore.Store)
}

func TestStoreIsClosedThatSomebodyStillHasASnapshotOf(t *testing.T) {
	leaktest.StoresDie(t)
	s := twoRows(t)
	view, before := s.Snapshot(), s.Snapshot()
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := view.Get(substrate.Main, []byte("a")); !errors.Is(err, substrate.ErrClosed) {
		t.Errorf("read a view of a closed store: %v", err)
	}
	for range 2 {
		if err := view.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseLetsAReadOfASnapshotEnd(t *testing.T) {
	leaktest.StoresDie(t)
	s := twoRows(t)
	view, closed, rows := s.Snapshot(), make(chan error, 1), 0
	err := view.Scan(substrate.Main, nil, nil, func(_, _ []byte) bool {
		if rows++; rows == 1 {
			go func() { closed <- s.Close() }()
			for !s.ClosingWaits() {
				runtime.Gosched()
			}
		}
		return true
	})
	if err != nil || rows != 2 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := view.Scan(substrate.Main, nil, nil, func(_, _ []byte) bool { return true }); !errors.Is(err, substrate.ErrClosed) {
		t.Errorf("read a view of a closed store: %v", err)
	}
	if err := view.Close(); err != nil {
		t.Error(err)
	}
}
