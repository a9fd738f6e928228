package substrate

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// OpenPlain opens a file to be read. What has its name and is no regular file, such
// as a directory, is a Damage, and is not opened: that of a pipe would not end.
func OpenPlain(fsys vfs.FS, path string, opts ...vfs.OpenOption) (vfs.File, error) {
	info, err := fsys.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, &Damage{File: filepath.Base(path), Kind: "short", Detail: "there is no file of that name, but a directory or something else"}
	case err != nil && inNone(fsys, path, err):
		return nil, &Damage{Kind: "short", Detail: "it is no directory"}
	}
	return fsys.Open(path, opts...)
}

// ListPlain lists a directory. What has its name, or that of the one that it is in,
// and is none is a Damage.
func ListPlain(fsys vfs.FS, dir string) ([]string, error) {
	info, err := fsys.Stat(dir)
	if err == nil && !info.IsDir() || err != nil && inNone(fsys, dir, err) {
		return nil, &Damage{Kind: "short", Detail: "it is no directory"}
	}
	return fsys.List(dir)
}

// inNone reports whether a path cannot be looked at since it is in no directory.
func inNone(fsys vfs.FS, path string, err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err := fsys.Stat(fsys.PathDir(path))
	return err == nil && !info.IsDir()
}
