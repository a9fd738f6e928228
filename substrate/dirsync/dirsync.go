// Package dirsync makes directories, and the names in them, durable. A file that
// was created or renamed survives a loss of power only if its directory has been
// synced after that.
package dirsync

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/planted"
)

// Sync makes the names in a directory durable.
func Sync(fsys vfs.FS, dir string) error {
	if planted.SkipDirSync {
		return nil
	}
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s to sync it: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// Make creates a directory, and the parents that do not exist, and makes their
// names durable.
//
// The entry of a directory that exists may not be durable, if an earlier call has
// failed. Nothing was made in it then, so it is the deepest that exists.
func Make(fsys vfs.FS, dir string) error {
	parent := fsys.PathDir(dir)
	_, err := fsys.Stat(dir)
	switch {
	case parent == dir:
		return nil
	case err == nil:
		if err := Sync(fsys, parent); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		return nil // a parent that is not ours to read was there before
	}
	if err := Make(fsys, parent); err != nil {
		return err
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create directory %s: %w", dir, ofLink(fsys, dir, err))
	}
	return Sync(fsys, parent)
}

// ofLink is the error of a directory that cannot be made: a link that leads nowhere has
// the name, but is none, and the system says that it exists.
func ofLink(fsys vfs.FS, dir string, err error) error {
	if _, statErr := fsys.Stat(dir); errors.Is(err, os.ErrExist) && errors.Is(statErr, os.ErrNotExist) {
		return fmt.Errorf("it is a link to what is not there, such as a disk that is not mounted: %w", err)
	}
	return err
}

// Replace makes a file of a directory, or puts another one in its place, whole and
// durable: it is written as name.tmp, synced, and renamed.
func Replace(fsys vfs.FS, dir, name string, content []byte) error {
	tmp := fsys.PathJoin(dir, name+".tmp")
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(tmp, fsys.PathJoin(dir, name))
	}
	if err == nil {
		err = Sync(fsys, dir)
	}
	return err
}
