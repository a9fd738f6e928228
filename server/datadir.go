package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// hubsDir is the folder of the hubs in a data directory.
const hubsDir = "hubs"

// FindHubs lists the hubs in a data directory, in order. A folder in which something
// else is, such as a hub whose hub file is gone, is listed: it is to be missed.
func FindHubs(data string) (names []string, err error) {
	if data == "" {
		return nil, nil
	}
	found, err := os.ReadDir(filepath.Join(data, hubsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("look for task hubs: %w", err)
	}
	for _, e := range found {
		if e.IsDir() && checkName(e.Name()) == nil && taken(filepath.Join(data, hubsDir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// LockData takes the lock of a data directory, so that one server, or one command
// without a server, works with it at a time. It makes the directory if it may and
// the parent is there: what is missing above it is more likely a slip of the pen,
// or a disk that is not mounted.
func LockData(data string, create bool) (*dirlock.Lock, error) {
	if data == "" {
		return nil, nil
	}
	if err := checkData(data); err != nil {
		return nil, err
	}
	_, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err = os.Mkdir(data, 0o700); err == nil {
			err = dirsync.Sync(vfs.Default, filepath.Dir(data))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	l, err := dirlock.AcquireIf(data, func() error { return checkData(data) })
	if _, ok := errors.AsType[*foreign](err); ok {
		return nil, err // somebody has put something there meanwhile
	} else if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := removeDeleted(data); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), l.Close())
	}
	return l, nil
}

// checkData refuses what cannot be a data directory, and a place where none can be
// made. Nothing is opened.
func checkData(data string) error {
	if data == "" {
		return nil
	}
	there, err := netherite.Exists(data)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if there {
		return &foreign{data, "it is a task hub itself; that of a server has task hubs below " + filepath.Join(data, hubsDir)}
	}
	if netherite.IsBackup(data) {
		return &foreign{data, "it is the backup of a task hub; netherite restore makes a hub of it"}
	}
	info, err := os.Stat(data)
	switch {
	case err == nil && !info.IsDir():
		return &foreign{data, "it is no directory"}
	case errors.Is(err, fs.ErrNotExist):
		return checkFolder("the parent of the data directory "+data, filepath.Dir(filepath.Clean(data)))
	case err != nil:
		return fmt.Errorf("data directory: %w", err)
	}
	return checkOwn(data)
}

// foreign is the error of a directory that is for something else.
type foreign struct{ dir, why string }

// Error implements error.
func (f *foreign) Error() string { return "data directory " + f.dir + ": " + f.why }

// Is makes errors.Is(f, engine.ErrForeign) hold.
func (*foreign) Is(target error) bool { return target == engine.ErrForeign }

// besides are names of what a new data directory may hold: systems put it there, or a lock
// that somebody had who was killed.
var besides = []string{"lost+found", ".snapshot", ".DS_Store", "HOLDER", "HOLDER.tmp"}

// checkOwn refuses a directory that holds something and has never been a server's. A lock
// alone does not show that it was: others leave one, too.
func checkOwn(data string) error {
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	other, locked, hubs := "", false, false
	for _, e := range entries {
		switch name := e.Name(); {
		case name == dirlock.FileName:
			locked = true
		case name == hubsDir:
			hubs = true
		case !slices.Contains(besides, name):
			other = name
		}
	}
	if other == "" || hubs && (locked || holdsHubs(data)) {
		return nil
	}
	return &foreign{data, fmt.Sprintf("it holds %q and nothing of a server's: name a new or empty directory", other)}
}

// holdsHubs reports whether the folder of the hubs is one: with nothing in it, or with a hub.
func holdsHubs(data string) bool {
	found, err := os.ReadDir(filepath.Join(data, hubsDir))
	return err == nil && (len(found) == 0 || slices.ContainsFunc(found, func(e fs.DirEntry) bool {
		there, err := netherite.Exists(filepath.Join(data, hubsDir, e.Name()))
		return there || err != nil
	}))
}

// deleted begins the names of folders of hubs that are being deleted.
const deleted = ".deleted-"

// removeDeleted removes what is left of hubs whose deletion a crash has broken off.
func removeDeleted(data string) error {
	left, err := filepath.Glob(filepath.Join(data, hubsDir, deleted+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// checkName bounds the names of hubs to letters, digits and what is harmless in a
// folder's name. New ones are bounded more: see CheckNewHub.
func checkName(name string) error {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fmt.Errorf("%w: %q is no name of a task hub: it has letters, digits, and after the first one dashes, dots and underscores", engine.ErrInvalid, name)
		}
	}
	if len(name) < 1 || len(name) > 64 {
		return fmt.Errorf("%w: %q is no name of a task hub: it has 1 to 64 characters", engine.ErrInvalid, name)
	}
	return nil
}

// HubDir is the folder of a hub in a data directory.
func HubDir(data, name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	return filepath.Join(data, hubsDir, name), nil
}

// DeleteHub deletes the folder of a hub that is not open. A name that begins with
// a dot is no hub's: what a crash leaves of it is not taken for one.
func DeleteHub(data, name string) error {
	dir, err := HubDir(data, name)
	if err != nil {
		return err
	}
	lock, err := dirlock.Acquire(dir)
	if err != nil {
		return fmt.Errorf("delete task hub %q: %w", name, err)
	}
	defer lock.Close()
	gone := filepath.Join(data, hubsDir, deleted+name)
	if err := errors.Join(os.RemoveAll(gone), os.Rename(dir, gone)); err != nil {
		return fmt.Errorf("delete task hub %q: %w", name, err)
	}
	if err := errors.Join(dirsync.Sync(vfs.Default, filepath.Dir(dir)), os.RemoveAll(gone)); err != nil {
		return fmt.Errorf("delete task hub %q: %w", name, err)
	}
	return nil
}
