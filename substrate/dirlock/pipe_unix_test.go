//go:build unix

package dirlock

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// To open a pipe that nobody writes to does not end, and cannot be interrupted.
func TestPipeInThePlaceOfALockIsToBeMovedAway(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, lockName), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, take := range map[string]func(string) (*Lock, error){"acquire": Acquire, "share": Share} {
		if _, err := take(dir); err == nil || errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
