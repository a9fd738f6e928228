package dirlock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netherite-go/netherite/internal/nospace"
)

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
	Own    bool // this process itself holds it
}

// Error says which directory is held and by whom.
func (e *HeldError) Error() string {
	if e.Read {
		return fmt.Sprintf("%s: %v, which only reads it (inspect) and will soon be done", e.Dir, ErrHeld)
	}
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s: %v, it has not said which", e.Dir, ErrHeld)
	}
	who, advice := ErrHeld.Error(), ""
	if e.Own {
		who, advice = "directory is held by this process already", ", which has to close it before it opens it again"
	}
	return fmt.Sprintf("%s: %s: %s with process ID %d since %s%s", e.Dir, who, e.Holder.Program, e.Holder.PID, e.Holder.Since.Format(time.RFC3339), advice)
}

// Is makes errors.Is(e, ErrHeld) hold.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// sign says who holds the lock. That the disk is full is no error: the name is a courtesy.
func (l *Lock) sign() error {
	err := l.writeHolder()
	if nospace.Is(err) {
		l.unsigned = err
		return l.unsign() // what is there is an earlier holder's, and half a name
	}
	return err
}

// writeHolder writes who holds the lock in one step: a reader sees all of it or nothing.
func (l *Lock) writeHolder() error {
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

// unsign removes what says who holds the lock.
func (l *Lock) unsign() (err error) {
	for _, name := range [...]string{holderName, holderName + ".tmp"} {
		if e := os.Remove(filepath.Join(l.dir, name)); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// readHolder returns who holds a locked directory, as far as it has said so.
func readHolder(dir string) (h Holder) {
	data, err := os.ReadFile(filepath.Join(dir, holderName))
	if err != nil || json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}
