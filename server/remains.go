package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/hubnames"
	"github.com/netherite-go/netherite/internal/shellword"
)

// taken reports whether there is something in the folder of a hub: that, or what is
// to be missed. What cannot be read is. Of a hub whose creation was broken off there
// is nothing that counts: it is made the next time.
func taken(dir string) bool {
	found, err := os.ReadDir(dir)
	return err != nil && !errors.Is(err, fs.ErrNotExist) ||
		slices.ContainsFunc(found, func(e fs.DirEntry) bool { return !slices.Contains(hubnames.Beside, e.Name()) })
}

// Lacking says of the folder of a hub, without opening it, that it holds no whole one;
// nil if it has a hub file. To open it says more.
func Lacking(dir string) error {
	if err := Unfit(dir); err != nil {
		return err
	}
	if there, err := netherite.Exists(dir); err != nil {
		return err
	} else if !there {
		return fmt.Errorf("%s: %w: nothing in it is of a task hub: move it elsewhere", dir, engine.ErrForeign)
	}
	_, err := os.Stat(filepath.Join(dir, "hub"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: it has no hub file: netherite repair --dry-run %s says what there is, and netherite repair makes the file again", dir, engine.ErrDamaged, shellword.Quote(dir))
	}
	return err
}

// Unfit refuses a backup in the place of a hub; nil if there is none.
func Unfit(dir string) error {
	if netherite.IsBackup(dir) {
		return fmt.Errorf("%s: %w: it is a backup; netherite restore makes a hub of it, in another directory", dir, engine.ErrForeign)
	}
	return nil
}
