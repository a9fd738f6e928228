package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Pebble takes a directory without a marker of its manifest for a new database, and
// removes the tables that it finds there. So whether there is one is found out
// before Pebble is asked to open it.

// databases finds out which of the databases there are.
func (s *Store) databases() (made map[string]bool, err error) {
	made = map[string]bool{}
	there, err := s.there()
	if err != nil || !there {
		return made, err
	}
	for _, name := range []string{historyDir, mainDir} {
		if made[name], err = s.made(name); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// there reports whether there is a directory to have databases.
func (s *Store) there() (bool, error) {
	info, err := s.opts.FS.Stat(s.opts.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.opts.Create:
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, &substrate.Damage{Kind: "short", Detail: "it is missing: put it back if it lies elsewhere, such as on a disk that is not mounted"}
	case err != nil:
		return false, fmt.Errorf("look at %s: %w", s.opts.Dir, err)
	case !info.IsDir():
		return false, &substrate.Damage{Kind: "short", Detail: "it is no directory"}
	}
	return true, nil
}

// mayMake reports whether a database may be made. History is made before main.
func (s *Store) mayMake(name string) bool {
	if !s.opts.Create || name == mainDir {
		return s.opts.Create
	}
	there, err := s.made(mainDir)
	return !there && err == nil
}

// made reports whether there is a database. One that is not there and may not be made
// is damage.
func (s *Store) made(name string) (bool, error) {
	dir := s.opts.FS.PathJoin(s.opts.Dir, name)
	lacks := func(detail string) (bool, error) {
		return false, &substrate.Damage{File: name, Kind: "short", Detail: detail}
	}
	info, err := s.opts.FS.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.mayMake(name):
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return lacks("it is missing")
	case err != nil:
		return false, fmt.Errorf("look at %s: %w", dir, err)
	case !info.IsDir():
		return lacks("it is no directory")
	}
	names, err := s.opts.FS.List(dir)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", dir, err)
	}
	if found, err := pebble.Peek(dir, s.opts.FS); err != nil || found.Exists {
		return true, nil // to open it tells what is wrong with it
	}
	for _, file := range names {
		if isLeft(file) {
			return false, &substrate.Damage{File: name + "/marker.manifest.*", Kind: "short", Detail: name + " has " + file + ", and no marker that names its manifest"}
		}
	}
	if !s.mayMake(name) {
		return lacks("there is no database in it")
	}
	return false, nil
}

// firstManifest is what Pebble makes first in a new database. Without a marker it
// is what a crash has left of the creation.
const firstManifest = "MANIFEST-000001"

// isLeft reports whether a file is of a database that was in use.
func isLeft(file string) bool {
	switch ext := filepath.Ext(file); {
	case ext == ".sst", ext == ".log", strings.HasPrefix(file, optionsPrefix):
		return true
	}
	return strings.HasPrefix(file, "MANIFEST-") && file != firstManifest
}

// Made reports whether there is a database in a directory, that is the marker which its
// creation ends with.
func Made(files vfs.FS, dir string) bool {
	found, err := pebble.Peek(dir, files)
	return err == nil && found.Exists
}

// HoldsDatabase reports whether a directory holds files of a database. The error says that
// nobody knows, since the directory could not be read.
func HoldsDatabase(files vfs.FS, dir string) (bool, error) {
	names, err := files.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", dir, err)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return isLeft(name) && filepath.Ext(name) != ".log" || name == firstManifest || strings.HasPrefix(name, "marker.")
	}), nil
}
