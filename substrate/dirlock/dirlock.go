// Package dirlock makes sure that one process at a time uses a data directory,
// and tells the others which one that is.
//
//	DIR/LOCK      empty; the operating system's lock on it is the lock
//	DIR/HOLDER    JSON, who holds it: written when it is taken, removed when it is
//	              released, meaningless unless LOCK is locked
//
// The lock ends with the process, however that ends.
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate/dirsync"
)

// FileName is the file whose lock is taken. It stays when the lock is given back by Close.
const FileName = "LOCK"

const (
	lockName   = FileName
	holderName = "HOLDER"
)

// ErrHeld says that someone else holds the directory. Such an error is a *HeldError.
var ErrHeld = errors.New("directory is held by another process")

// Lock is a held directory.
type Lock struct {
	dir      string
	file     *os.File // nil: nobody ever took the lock
	signed   bool
	unsigned error // why it could not be said who holds it
	made     bool  // its file was not there before
	madeDir  bool  // neither was the directory
}

// Unsigned says why whoever finds the directory held cannot be told by whom: the disk
// is full. The lock is held all the same, as the name is a courtesy. Mostly it is nil.
func (l *Lock) Unsigned() error {
	if l == nil {
		return nil
	}
	return l.unsigned
}

// Acquire creates the directory, readable by its owner only, if it does not
// exist, and takes its lock. It does not wait: a directory that is held, also by
// this process, is a *HeldError. A disk that is full is no reason not to have it, if
// its file is there: see Unsigned.
func Acquire(dir string) (*Lock, error) { return AcquireIf(dir, func() error { return nil }) }

// AcquireIf is Acquire of a directory that may be somebody else's: fits is asked before
// anything is made in it, and once more under the lock. Its error is returned as it is,
// and leaves nothing behind.
func AcquireIf(dir string, fits func() error) (*Lock, error) {
	if _, err := os.Lstat(filepath.Join(dir, lockName)); errors.Is(err, os.ErrNotExist) {
		if err := fits(); err != nil {
			return nil, err
		}
	}
	l, err := take(dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(l.sign(), fits()); err != nil {
		return nil, errors.Join(err, l.Discard())
	}
	return l, nil
}

// attempts is how often a lock is taken anew whose file was removed meanwhile.
const attempts = 16

// take takes the lock. Its file may be removed by Discard between opening and locking
// it: such a lock would keep nobody out.
func take(dir string) (l *Lock, err error) {
	for range attempts {
		if l, err = takeOnce(dir); err == nil {
			if err = l.Check(); err == nil {
				return l, nil
			}
			err = errors.Join(err, l.release())
		} else if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) { // the directory went as well
			return nil, err
		}
	}
	return nil, err
}

func takeOnce(dir string) (*Lock, error) {
	l := &Lock{dir: dir, signed: true}
	_, err := os.Stat(dir)
	if l.madeDir = errors.Is(err, os.ErrNotExist); l.madeDir {
		// Durable with all parents that are new: who has the lock cannot tell any more which.
		err = dirsync.Make(vfs.Default, dir)
	} else {
		err = os.MkdirAll(dir, 0o700) // which says if it is something else
	}
	if err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	path := filepath.Join(dir, lockName)
	if l.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); errors.Is(err, os.ErrExist) {
		l.file, err = os.OpenFile(path, os.O_RDWR, 0) // where a link leads, nothing is made
	} else {
		l.made = err == nil
	}
	if err == nil {
		err = plain(l.file)
	}
	if err != nil {
		return nil, unopened(dir, err)
	}
	held, err := tryLock(l.file, false)
	if held {
		read, _ := tryLock(l.file, true)
		err = &HeldError{Dir: dir, Holder: readHolder(dir), Read: !read, Own: isOwn(l.file)}
	}
	if err != nil {
		return nil, errors.Join(err, unlock(l.file), l.file.Close()) // of the look whether others read
	}
	noteOwn(l.file, true)
	return l, nil
}

// Share keeps others from taking the lock of a directory while its files are
// read. It changes nothing in the directory and may be taken several times. A
// directory that somebody has acquired is a *HeldError.
func Share(dir string) (*Lock, error) {
	path := filepath.Join(dir, lockName)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, unopened(dir, errNoFile) // to open a pipe would not end
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return &Lock{dir: dir}, nil // a copy without the lock, say
	}
	if err == nil {
		err = plain(f)
	}
	if err != nil {
		return nil, unopened(dir, err)
	}
	held, err := tryLock(f, true)
	if held {
		err = &HeldError{Dir: dir, Holder: readHolder(dir), Own: isOwn(f)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{dir: dir, file: f}, nil
}

// unopened is the error of a lock that cannot be opened.
func unopened(dir string, err error) error {
	path := filepath.Join(dir, lockName)
	info, statErr := os.Stat(path)
	if link, err := os.Lstat(path); err == nil && link.Mode()&os.ModeSymlink != 0 && errors.Is(statErr, os.ErrNotExist) {
		return fmt.Errorf("data directory %s: %s is a link to a file that is not there: remove it", dir, path)
	}
	if statErr == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("data directory %s: %s is no file, and nothing that locks the directory has made it: move it away", dir, path)
	}
	return fmt.Errorf("open the lock of data directory %s: %w", dir, err)
}

// plain makes sure that a file is one: a directory can be opened, too.
func plain(f *os.File) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		err = errors.Join(err, f.Close())
	}
	return err
}

var errNoFile = errors.New("it is no file")

// Check returns an ErrHeld if the lock's file was removed, or replaced by another:
// then others can take the directory, or have done so.
func (l *Lock) Check() error {
	if l.file == nil {
		return nil
	}
	mine, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the lock of %s: %w", l.dir, err)
	}
	there, err := os.Stat(filepath.Join(l.dir, lockName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w, or soon may be: its file %s, the lock, was removed under this one: end it, and start it again", l.dir, ErrHeld, lockName)
	case err != nil:
		return fmt.Errorf("look at the lock of %s: %w", l.dir, err)
	case !os.SameFile(mine, there):
		return fmt.Errorf("%s: %w: its file %s, the lock, was replaced under this one: end it", l.dir, ErrHeld, lockName)
	}
	return nil
}

// Discard releases a directory in which nothing was done: what taking the lock has made
// is removed, as far as nothing else lies there. Who finds the file as it goes takes the
// lock anew. A system that keeps open files has it stay.
func (l *Lock) Discard() error {
	if l == nil || !l.made || l.Check() != nil {
		return l.Close()
	}
	err := l.unsign()
	l.signed = false
	_ = os.Remove(filepath.Join(l.dir, lockName))
	if err = errors.Join(err, l.Close()); l.madeDir {
		_ = os.Remove(l.dir) // unless it holds something
	}
	return err
}

// Close releases the directory.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	var err error
	if l.signed && l.Check() == nil {
		// Before the lock goes: afterwards the file may be the next holder's, and it
		// is if the lock was lost.
		err = l.unsign()
	}
	if l.file != nil {
		err = errors.Join(err, l.release())
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", l.dir, err)
	}
	return nil
}

// release gives the lock back.
func (l *Lock) release() error {
	noteOwn(l.file, false)
	return errors.Join(unlock(l.file), l.file.Close())
}
