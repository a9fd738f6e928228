package netherite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
)

// whereLinksLead refuses a directory of which a part is a symbolic link to what is not
// there, such as a disk that is not mounted: it is not lost, and a repair would put
// what is left in its place.
func (d *directory) whereLinksLead() error {
	for _, part := range []string{hubName, logName, storeName, filepath.Join(storeName, "main"), filepath.Join(storeName, "history"), sideName, quarantineName} {
		path := filepath.Join(d.dir, part)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			to, _ := os.Readlink(path)
			return fmt.Errorf("%s: %w: it is a link to %s, which is not there: put that back, or remove the link if it is lost", path, engine.ErrDamaged, to)
		}
	}
	return nil
}

// noneIsMounted refuses a directory of which a part is a disk that is mounted there: it
// has a name that nobody can change, so that nothing can take its place. A link to a
// disk has one like any other.
func (d *directory) noneIsMounted() error {
	whole, err := d.fs.Stat(d.dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", d.dir, err)
	}
	for _, name := range []string{logName, storeName, sideName} {
		path := d.fs.PathJoin(d.dir, name)
		if part, err := d.fs.Stat(path); err == nil && part.DeviceID() != whole.DeviceID() && d.isMount(path) {
			return fmt.Errorf("%s is a disk of its own that is mounted there, in whose place a repair can put nothing: mount it elsewhere, make %s a link to that place, and repair again", path, path)
		}
	}
	return nil
}

// isMount reports whether what is of another device than the directory that it is in is
// mounted there. It may be a link, or a volume of btrfs, which is a directory like others.
func (d *directory) isMount(path string) bool {
	if d.fs != vfs.Default {
		return true
	}
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	err = os.Rename(path, filepath.Join(path, swapName)) // into itself, which never succeeds
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EBUSY)
}

// busy says what to do about a part whose name cannot be changed, if that was not found
// out before.
func busy(name string, err error) error {
	if !errors.Is(err, syscall.EBUSY) {
		return err
	}
	return &advised{err, fmt.Sprintf("if a disk is mounted at %s, unmount it, and run the repair again, which goes on: what it needs of the disk it has", name)}
}
