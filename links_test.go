package netherite_test

import (
	"path"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// unlinked is a hub with a table in its store, on a file system that knows no second
// name of a file: Linux says there that a link is not permitted.
func unlinked(t *testing.T) (*faultfs.FS, *netherite.Hub) {
	t.Helper()
	files := faultfs.New()
	files.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpLink {
			return syscall.EPERM
		}
		return nil
	})
	return files, withTour(t, files)
}

// withTour is a hub with a table in its store.
func withTour(t *testing.T, files vfs.FS) *netherite.Hub {
	t.Helper()
	hub, err := netherite.Open("/hub", netherite.Files(files), netherite.Partitions(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tour.Start(t.Context(), hub, nil, durable.ID("tour")); err != nil {
		t.Fatal(err)
	}
	if err := hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return hub
}

// holdsTour opens the hub in a directory and looks for what it has to have.
func holdsTour(t *testing.T, files vfs.FS, dir string) {
	t.Helper()
	hub, err := netherite.Open(dir, netherite.Files(files))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Engine().Get(t.Context(), "tour", engine.GetOptions{}); err != nil {
		t.Error(err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHubIsBackedUpWhereFilesCannotBeLinked(t *testing.T) {
	files, hub := unlinked(t)
	for range 2 {
		if _, err := hub.Backup(t.Context(), "/dest"); err != nil {
			t.Error(err)
		}
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := netherite.RestoreFiles(t.Context(), files, "/dest", "/copy"); err != nil {
		t.Fatal(err)
	}
	holdsTour(t, files, "/copy")
}

func TestHubIsRepairedWhereFilesCannotBeLinked(t *testing.T) {
	files, hub := unlinked(t)
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := files.Remove("/hub/hub"); err != nil {
		t.Fatal(err)
	}
	r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{})
	if err != nil || !r.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	kept, err := files.List(path.Join("/hub", r.Quarantine, "store", "main"))
	if err != nil || !slices.ContainsFunc(kept, func(name string) bool { return path.Ext(name) == ".sst" }) {
		t.Errorf("kept of the old store: %v, %v", kept, err)
	}
	holdsTour(t, files, "/hub")
}
