package pebblestore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// TestOpenDoesNotWaitForCompactions opens a store whose level 0 is due, on a disk
// that lets no table be written before the store is open.
func TestOpenDoesNotWaitForCompactions(t *testing.T) {
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	s.(*pebblestore.Store).HoldCompactions()
	for i := range 24 {
		if err := applyNumbered(s, i); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.(*pebblestore.Store).Compactions(); n != 0 {
		t.Fatalf("%d compactions that should have been held", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	opened := make(chan struct{})
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			select {
			case <-opened:
			case <-time.After(10 * time.Second):
				t.Error("a table is written before the store is open")
			}
		}
		return nil
	})
	s, err = open(fs, dir)
	close(opened)
	if err != nil {
		t.Fatal(err)
	}
	for st := s.(*pebblestore.Store); st.Compactions() == 0; { // those that were due follow
		<-st.Progress()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
