package dirsync_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

func TestMadeDirectoriesSurviveACrash(t *testing.T) {
	fs := faultfs.New()
	if err := dirsync.Make(fs, "/a/b/c"); err != nil {
		t.Fatal(err)
	}
	after := fs.CrashClone(faultfs.Crash{})
	if _, err := after.Stat("/a/b/c"); err != nil {
		t.Error(err)
	}
}

func TestDirectoryWhoseSyncFailedIsSyncedByTheNextCall(t *testing.T) {
	for n := 1; n <= 2; n++ {
		fs, failed := faultfs.New(), false
		fs.SetFault(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpSyncDir && op.N == n {
				failed = true
				return errors.New("not synced")
			}
			return nil
		})
		if err := dirsync.Make(fs, "/a/b"); err == nil || !failed {
			t.Fatalf("sync %d: failed %v, Make returned %v", n, failed, err)
		}
		if err := dirsync.Make(fs, "/a/b"); err != nil {
			t.Fatal(err)
		}
		after := fs.CrashClone(faultfs.Crash{})
		if _, err := after.Stat("/a/b"); err != nil {
			t.Errorf("sync %d: %v", n, err)
		}
	}
}
