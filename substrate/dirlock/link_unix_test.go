//go:build unix

package dirlock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A lock that is a link to nothing is named, and nothing is made where it leads.
func TestLockThatLeadsToNothingIsNamed(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "gone")
	if err := os.Symlink(target, filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(dir)
	if err == nil {
		err = l.Close()
		t.Errorf("it was taken: %v", err)
	} else if !strings.Contains(err.Error(), "a link to a file that is not there") {
		t.Error(err)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("%v has come to be, %v", left, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the directory has %v, %v", left, err)
	}
}
