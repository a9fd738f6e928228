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
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	lockName   = "LOCK"
	holderName = "HOLDER"
)

// ErrHeld says that someone else holds the directory. Such an error is a *HeldError.
var ErrHeld = errors.New("directory is held by another process")

// Holder is who holds a directory. It is zero if that could not be read.
type Holder struct {
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
}

// HeldError names the holder. It is an ErrHeld.
type HeldError struct {
	Dir    string
	Holder Holder
	Read   bool // it is only being read, see Share
}

// Error says which directory is held and by whom.
func (e *HeldError) Error() string {
	if e.Read {
		return fmt.Sprintf("%s: %v, which only reads it (inspect) and will soon be done", e.Dir, ErrHeld)
	}
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s: %v, it has not said which", e.Dir, ErrHeld)
	}
	return fmt.Sprintf("%s: %v: %s with process ID %d since %s", e.Dir, ErrHeld,
		e.Holder.Program, e.Holder.PID, e.Holder.Since.Format(time.RFC3339))
}

// Is makes errors.Is(e, ErrHeld) hold.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Lock is a held directory.
type Lock struct {
	dir    string
	file   *os.File // nil: nobody ever took the lock
	signed bool
}

// Acquire creates the directory, readable by its owner only, if it does not
// exist, and takes its lock. It does not wait: a directory that is held, also by
// this process, is a *HeldError.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of data directory %s: %w", dir, err)
	}
	held, err := tryLock(f, false)
	if held {
		read, _ := tryLock(f, true)
		err = &HeldError{Dir: dir, Holder: readHolder(dir), Read: !read}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l := &Lock{dir: dir, file: f, signed: true}
	if err := l.sign(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Share keeps others from taking the lock of a directory while its files are
// read. It changes nothing in the directory and may be taken several times. A
// directory that somebody has acquired is a *HeldError.
func Share(dir string) (*Lock, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return &Lock{dir: dir}, nil // a copy without the lock, say
	}
	if err != nil {
		return nil, fmt.Errorf("open the lock of data directory %s: %w", dir, err)
	}
	held, err := tryLock(f, true)
	if held {
		err = &HeldError{Dir: dir, Holder: readHolder(dir)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{dir: dir, file: f}, nil
}

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

// sign says who holds the lock, in one step: a reader sees all of it or nothing.
func (l *Lock) sign() error {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	data, err := json.Marshal(Holder{PID: os.Getpid(), Program: filepath.Base(program), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("describe this process: %w", err)
	}
	path := filepath.Join(l.dir, holderName)
	if err := os.WriteFile(path+".tmp", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("say who holds %s: %w", l.dir, err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("say who holds %s: %w", l.dir, err)
	}
	return nil
}

// Close releases the directory.
func (l *Lock) Close() error {
	var err error
	if l.signed && l.Check() == nil {
		// Before the lock goes: afterwards the file may be the next holder's, and it
		// is if the lock was lost.
		if err = os.Remove(filepath.Join(l.dir, holderName)); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", l.dir, err)
	}
	return nil
}

// readHolder returns who holds a locked directory, as far as it has said so.
func readHolder(dir string) (h Holder) {
	data, err := os.ReadFile(filepath.Join(dir, holderName))
	if err != nil || json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}
