package pebblestore_test

import (
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// A signal may interrupt a sync, on file systems that take long for one. That is no
// failure: it is made again, as what package os syncs is.
func TestInterruptedSyncDoesNotEndTheStore(t *testing.T) {
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	interrupted := map[string]bool{}
	fs.SetFault(func(op faultfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		// What has its name is synced past package os.
		if op.Kind != faultfs.OpSync || !strings.HasSuffix(op.Path, ".sst") || interrupted[op.Path] {
			return nil
		}
		interrupted[op.Path] = true
		return syscall.EINTR
	})
	for i := range 3 {
		if err := errors.Join(applyNumbered(s, i+1), s.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if len(interrupted) < 3 {
		t.Errorf("interrupted: %v", interrupted)
	}
	crashed := fs.CrashClone(faultfs.Crash{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(crashed, dir); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Get(substrate.Main, []byte("row0003")); err != nil || len(v) == 0 {
		t.Errorf("after a crash: %d bytes, %v", len(v), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
