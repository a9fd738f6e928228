package netherite_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// withoutHubFile is a hub that a repair mends without a loss.
func withoutHubFile(t *testing.T) *faultfs.FS {
	t.Helper()
	files := faultfs.New()
	if err := withTour(t, files).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := files.Remove("/hub/hub"); err != nil {
		t.Fatal(err)
	}
	return files
}

// A quarantine that cannot be looked into has every name there is.
func TestRepairEndsWhereItsQuarantineCannotBeLookedInto(t *testing.T) {
	dir := t.TempDir()
	hub, err := netherite.Open(dir)
	if err == nil {
		err = hub.Close(t.Context())
	}
	if err == nil {
		err = errors.Join(os.Remove(filepath.Join(dir, "hub")), os.Symlink("quarantine", filepath.Join(dir, "quarantine")))
	}
	if err != nil {
		t.Fatal(err)
	}
	if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err == nil || r.Done || r.Quarantine != "" || !strings.Contains(err.Error(), "quarantine") {
		t.Errorf("%+v, %v", r, err)
	}
	if err := os.Remove(filepath.Join(dir, "quarantine")); err != nil {
		t.Fatal(err)
	}
	if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err != nil || !r.Done {
		t.Errorf("without it: %+v, %v", r, err)
	}
}

// The disk may be full with what was built.
func TestRepairThatCannotKeepTheFilesLeavesNothing(t *testing.T) {
	files := withoutHubFile(t)
	full := errors.New("the disk says no")
	for _, refused := range []string{"mkdir /hub/quarantine/001/store/main", "create /hub/quarantine/001/repair.json.tmp", "write /hub/repair.swap.tmp"} {
		files.SetFault(func(op faultfs.Op) error {
			if string(op.Kind)+" "+op.Path == refused {
				return full
			}
			return nil
		})
		r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{})
		if !errors.Is(err, full) || r.Done || r.Quarantine != "" {
			t.Errorf("%s: %+v, %v", refused, r, err)
		}
		files.SetFault(nil)
		names, err := files.List("/hub")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "repair.") {
				t.Errorf("%s: it has left %s", refused, name)
			}
		}
		if kept, err := files.List("/hub/quarantine"); err != nil || len(kept) > 0 {
			t.Errorf("%s: it has left %v in quarantine, %v", refused, kept, err)
		}
	}
	if r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{}); err != nil || r.Quarantine != path.Join("quarantine", "001") {
		t.Fatalf("%+v, %v", r, err)
	}
	holdsTour(t, files, "/hub")
}
