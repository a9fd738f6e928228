package netherite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// bankWithBackup is a hub with something in its tables, and a backup of it.
func bankWithBackup(t *testing.T) (dir, dest string) {
	dir, dest = t.TempDir(), filepath.Join(t.TempDir(), "dest")
	b := openBank(t, dir, netherite.Partitions(1))
	b.fund(t)
	b.run(t.Context(), t, "more", 4, 400) // several blocks of rows
	if err := b.hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if err := b.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir, dest
}

// flipTable flips a byte amidst the rows of a table of histories, which an opening does
// not read, and returns its name.
func flipTable(t *testing.T, dir string) string {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "store", "history", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x55
	if err := os.WriteFile(tables[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "store/history/" + filepath.Base(tables[0])
}

// Who reads a backup takes it for what the hub was.
func TestBackupOfADamagedHubSaysSoEachTimeAndIsMadeAllTheSame(t *testing.T) {
	dir, earlier := bankWithBackup(t)
	name := flipTable(t, dir)
	hub, err := netherite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "dest")
	for number := 1; number <= 2; number++ {
		r, err := hub.Backup(t.Context(), dest)
		if !errors.Is(err, engine.ErrDamaged) || r.Number != number || r.Files == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		for _, want := range []string{"file=" + name + " offset=", "is complete", "netherite inspect --verify"} {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	}
	if r, err := hub.Backup(t.Context(), earlier); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "keeps what it has of "+name) || r.Number != 2 {
		t.Errorf("one that has the table from before: %+v, %v", r, err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for from, damaged := range map[string]int{dest: 1, earlier: 0} {
		copied := filepath.Join(t.TempDir(), "copy")
		if _, err := netherite.Restore(t.Context(), from, copied); err != nil {
			t.Fatal(err)
		}
		if r, err := netherite.Inspect(copied); err != nil || len(r.Damage) != damaged {
			t.Errorf("%s: %+v, %v", from, r.Damage, err)
		}
	}
}
