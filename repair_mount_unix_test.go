//go:build unix

package netherite_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// mounted is a file system on which another one is mounted.
type mounted struct {
	vfs.FS
	at   string
	disk vfs.DeviceID // of the other one
}

// Stat implements vfs.FS.
func (m mounted) Stat(name string) (vfs.FileInfo, error) {
	info, err := m.FS.Stat(name)
	if err == nil && (name == m.at || strings.HasPrefix(name, m.at+"/")) {
		info = ofDisk{info, m.disk}
	}
	return info, err
}

// ofDisk is of a file of the other file system.
type ofDisk struct {
	vfs.FileInfo
	disk vfs.DeviceID
}

// DeviceID implements vfs.FileInfo.
func (o ofDisk) DeviceID() vfs.DeviceID { return o.disk }

// The system lets nobody change the name of a disk that is mounted.
func TestRepairBeginsNoSwapWhereAPartIsMounted(t *testing.T) {
	real, err := vfs.Default.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"/hub/log", "/hub/store"} {
		files := withoutHubFile(t)
		files.SetFault(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpRename && op.Path == part {
				return syscall.EBUSY
			}
			return nil
		})
		disks := mounted{files, part, real.DeviceID()}
		for _, o := range []netherite.RepairOptions{{DryRun: true}, {}, {Drop: true}} {
			r, err := netherite.RepairFiles(t.Context(), disks, "/hub", o)
			if err == nil || len(r.Damage) == 0 || r.Done || !strings.Contains(err.Error(), part+" a link") {
				t.Errorf("%s, %+v: %+v, %v", part, o, r, err)
			}
		}
		if names, err := files.List("/hub"); err != nil || strings.Contains(strings.Join(names, " "), "repair.") {
			t.Errorf("%s: what is left: %v, %v", part, names, err)
		}
		// Where the disk is the same one, nothing tells before.
		if _, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{}); err == nil || !strings.Contains(err.Error(), "unmount it") {
			t.Errorf("%s: %v", part, err)
		}
		files.SetFault(nil)
		if r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{}); err != nil || !r.Done {
			t.Errorf("%s: %+v, %v", part, r, err)
		}
		holdsTour(t, files, "/hub")
	}
}
