package pebblestore

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

func TestFailedSyncOfADirectoryEndsOnlyTheStore(t *testing.T) {
	leaktest.StoresDie(t)
	errDir := errors.New("directory was not synced")
	for n := 1; ; n++ {
		fs, failed := faultfs.New(), false
		fs.SetFault(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpSyncDir && op.N == n {
				failed = true
				return errDir
			}
			return nil
		})
		s, err := Open(Options{Create: true, FS: fs, Dir: "/store"})
		switch {
		case !failed && err != nil:
			t.Fatal(err)
		case failed && err != nil && !errors.Is(err, substrate.ErrFailed) && !errors.Is(err, errDir):
			t.Errorf("sync %d of a directory: open returned %v", n, err)
		}
		if err == nil {
			if err := s.Close(); err != nil && !failed {
				t.Error(err)
			}
		}
		if !failed {
			if n < 5 {
				t.Errorf("open synced directories only %d times", n-1)
			}
			return
		}
	}
}
