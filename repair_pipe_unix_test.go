//go:build unix

package netherite_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite"
)

// To open a pipe that nobody writes to does not end, and cannot be interrupted.
func TestRepairMindsNoPipeThatIsBesideTheFiles(t *testing.T) {
	dir := t.TempDir()
	hub, err := netherite.Open(dir)
	if err == nil {
		err = hub.Close(t.Context())
	}
	for _, part := range []string{"log", "store/main", "store/history"} {
		err = errors.Join(err, syscall.Mkfifo(filepath.Join(dir, part, "pipe"), 0o600))
	}
	if err = errors.Join(err, os.Remove(filepath.Join(dir, "hub"))); err != nil {
		t.Fatal(err)
	}
	if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err != nil || !r.Done {
		t.Errorf("%+v, %v", r, err)
	}
}
