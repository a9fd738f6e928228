package netherite_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/backup"
)

// foreign makes a directory that is somebody else's.
func foreign(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "thesis.txt", "x")
	return dir
}

// TestARefusalLeavesNothingBehind: a LOCK in a directory of somebody's would look as if
// it were a hub's or a server's.
func TestARefusalLeavesNothingBehind(t *testing.T) {
	b := openBank(t, t.TempDir())
	copied := t.TempDir()
	if _, err := b.hub.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(copied, "LOCK")); err != nil {
		t.Fatal(err)
	}
	other := openBank(t, t.TempDir())
	for name, c := range map[string]struct {
		dir  string
		do   func(dir string) error
		want error
	}{
		"open":               {foreign(t), opens(), engine.ErrForeign},
		"open what must be":  {t.TempDir(), opens(netherite.MustExist()), engine.ErrForeign},
		"open what is not":   {filepath.Join(t.TempDir(), "new"), opens(netherite.MustExist()), engine.ErrForeign},
		"open a backup":      {copied, opens(), engine.ErrForeign},
		"open badly":         {t.TempDir(), opens(netherite.Partitions(257)), engine.ErrInvalid},
		"open badly anew":    {filepath.Join(t.TempDir(), "new"), opens(netherite.Partitions(257)), engine.ErrInvalid},
		"back up":            {foreign(t), b.backsUp, engine.ErrForeign},
		"back up to another": {copied, other.backsUp, engine.ErrForeign},
		"restore":            {foreign(t), restores(copied), engine.ErrForeign},
		"repair":             {foreign(t), repairs, fs.ErrNotExist},
		"restore nothing":    {filepath.Join(t.TempDir(), "new"), restores(t.TempDir()), fs.ErrNotExist},
	} {
		before := listing(t, c.dir)
		if err := c.do(c.dir); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if after := listing(t, c.dir); !maps.Equal(before, after) {
			t.Errorf("%s: there was %v, and is %v", name, before, after)
		}
	}
}

// listing is what there is of a directory; nil if that is not there.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return fingerprint(t, dir)
}

func opens(o ...netherite.Option) func(string) error {
	return func(dir string) error {
		_, err := netherite.Open(dir, o...)
		return err
	}
}

func restores(from string) func(string) error {
	return func(dir string) error {
		_, err := netherite.Restore(context.Background(), from, dir)
		return err
	}
}

func repairs(dir string) error {
	_, err := netherite.Repair(context.Background(), dir, netherite.RepairOptions{})
	return err
}

func (b *bank) backsUp(dest string) error {
	_, err := b.hub.Backup(context.Background(), dest)
	return err
}

// TestABackupIsNotMadeInTheDirectoryOfAServer, whose next start would take it for a hub.
func TestABackupIsNotMadeInTheDirectoryOfAServer(t *testing.T) {
	b := openBank(t, t.TempDir())
	started, copied := t.TempDir(), t.TempDir() // one that a server had without hubs, and the copy of one
	write(t, started, "LOCK", "")
	hub := filepath.Join(copied, "hubs", "shop")
	if _, err := open(t, hub).Backup(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, dest := range []string{
		filepath.Join(started, "hubs", "zz"), filepath.Join(copied, "hubs", "zz"), filepath.Join(copied, "hubs", "zz", "new"), filepath.Join(copied, "hubs"),
		filepath.Join(copied, "backups"),
	} {
		if _, err := b.hub.Backup(t.Context(), dest); !errors.Is(err, engine.ErrInvalid) && !errors.Is(err, engine.ErrForeign) {
			t.Errorf("%s: %v", dest, err)
		}
		if _, err := os.Stat(dest); err == nil && filepath.Base(dest) != "hubs" {
			t.Errorf("%s was made", dest)
		}
	}
	beside := filepath.Join(started, "zz") // with a LOCK alone it may be anybody's
	if _, err := b.hub.Backup(t.Context(), beside); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(beside, backup.ManifestName)); err != nil {
		t.Error(err)
	}
}
