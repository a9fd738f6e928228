package netherite_test

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// A part of a hub may be a disk of its own, with that disk's folder in it, which is
// root's.
func TestRepairMindsNothingThatIsBesideTheFiles(t *testing.T) {
	for _, beside := range []string{"/hub/log", "/hub/store", "/hub/store/main", "/hub/store/history", "/hub/side"} {
		files := withoutHubFile(t)
		if err := files.MkdirAll(beside+"/lost+found", 0o700); err != nil {
			t.Fatal(err)
		}
		files.SetFault(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpList && op.Path == beside+"/lost+found" {
				return fs.ErrPermission
			}
			return nil
		})
		r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{})
		if err != nil || !r.Done || r.Loses() {
			t.Errorf("%s: %+v, %v", beside, r, err)
			continue
		}
		holdsTour(t, files, "/hub")
	}
}

// Of a marker the name is all that counts, whatever has it.
func TestRepairTakesAMarkerThatIsNoFile(t *testing.T) {
	for _, database := range []string{"/hub/store/main", "/hub/store/history"} {
		files := withoutHubFile(t)
		names, err := files.List(database)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if marker := path.Join(database, name); strings.HasPrefix(name, "marker.") {
				if err := errors.Join(files.Remove(marker), files.MkdirAll(marker, 0o700)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{}); err != nil || !r.Done || r.Loses() {
			t.Errorf("%s: %+v, %v", database, r, err)
			continue
		}
		holdsTour(t, files, "/hub")
	}
}
