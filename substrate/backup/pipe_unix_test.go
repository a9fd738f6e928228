//go:build unix

package backup_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
)

// To open a pipe that nobody writes to does not end, and cannot be interrupted.
func TestPipeInThePlaceOfAFileOfABackupIsDamage(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "dest")
	m := saved(t, vfs.Default, dest)
	replace := func(name string) {
		path := filepath.Join(dest, name)
		if err := errors.Join(vfs.Default.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	hurt := m.Files[0].Path()
	replace(hurt)
	found, err := m.Verify(t.Context(), vfs.Default, dest)
	if err != nil || len(found) != 1 || found[0].File != hurt {
		t.Errorf("verify: %v, %v", found, err)
	}
	err = m.Restore(t.Context(), vfs.Default, dest, t.TempDir())
	if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != hurt {
		t.Errorf("restore: %v", err)
	}
	replace(backup.ManifestName)
	if _, err := backup.Read(vfs.Default, dest); !errors.Is(err, substrate.ErrDamaged) {
		t.Errorf("the manifest: %v", err)
	}
}
