package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// verified is what inspect says of a directory that has to be whole.
func verified(t testing.TB, dir string) *netherite.Report {
	t.Helper()
	r, err := netherite.Inspect(dir)
	if err != nil || len(r.Damage) > 0 {
		t.Fatalf("%s: %+v, %v", dir, r, err)
	}
	return r
}

func TestBackupsUnderLoadHoldAllThatWasAcknowledged(t *testing.T) {
	dir, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	// The log has several segments, all of which a copy needs, the one that is written to as well.
	b := openBank(t, dir, netherite.Partitions(4), netherite.LogSegments(16<<10, 64<<10))
	b.fund(t)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { b.run(ctx, t, "move", 2, 1<<30) })
	reused := 0
	for round := range 3 {
		b.run(t.Context(), t, fmt.Sprint("more-", round), 4, 80)
		if round%2 == 1 {
			if err := b.hub.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		known := b.known()
		r, err := b.hub.Backup(t.Context(), dest)
		if err != nil || r.Number != round+1 || r.Files == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		reused += r.Files - r.CopiedFiles
		copied := filepath.Join(t.TempDir(), "copy")
		info, err := netherite.Restore(t.Context(), dest, copied)
		if err != nil || info.Number != round+1 || info.Partitions != 4 {
			t.Fatalf("%+v, %v", info, err)
		}
		verified(t, copied)
		again := openBank(t, copied)
		again.check(t, known)
		again.run(t.Context(), t, "after", 2, 20)
		again.check(t, append(known, again.known()...))
	}
	if reused == 0 {
		t.Error("no backup has used anything of the one before")
	}
	cancel()
	load.Wait()
	b.check(t, b.known())
	if _, err := os.Stat(filepath.Join(dir, "backup.tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the backup has left something in the hub: %v", err)
	}
}

func TestBackupOfAQuietHubCopiesNoTables(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	b := openBank(t, dir)
	b.fund(t)
	b.run(t.Context(), t, "move", 8, 400)
	if err := b.hub.Close(t.Context()); err != nil { // nothing is left to be written
		t.Fatal(err)
	}
	b = openBank(t, dir)
	var last netherite.BackupResult
	for range 500 { // compactions of what was written before may not be over yet
		r, err := b.hub.Backup(t.Context(), dest)
		if err != nil {
			t.Fatal(err)
		}
		// The segment that is written to, and the store's manifests.
		if r.Number > 1 && r.CopiedBytes <= int64(r.LogEnd)+200<<10 && r.CopiedFiles < r.Files {
			return
		}
		last = r
	}
	t.Errorf("%+v", last)
}

func TestBackupToAWrongPlaceIsRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	b, elsewhere := openBank(t, dir), open(t, other)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dated := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dated, "20260101", "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	if _, err := elsewhere.Backup(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dest, says string
		is         error
	}{
		"inside":         {filepath.Join(dir, "store", "backups"), "inside of", engine.ErrInvalid},
		"itself":         {dir, "itself", engine.ErrInvalid},
		"around":         {filepath.Dir(dir), "inside of", engine.ErrInvalid},
		"through a link": {filepath.Join(link, "x", "y"), "inside of", engine.ErrInvalid},
		"another hub":    {other, "held", engine.ErrHeld},
		"things":         {full, `"letter"`, engine.ErrForeign},
		"dated folders":  {dated, `"20260101"`, engine.ErrForeign},
		"another's":      {taken, "backup of hub", engine.ErrForeign},
	} {
		_, err := b.hub.Backup(t.Context(), c.dest)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dated, "20260101", "photos")); err != nil {
		t.Errorf("a folder of somebody else's is gone: %v", err)
	}
	memory := open(t, "", netherite.InMemory())
	if _, err := memory.Backup(t.Context(), t.TempDir()); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("in memory: %v", err)
	}
}

func TestRestoreIntoAWrongPlaceOrFromDamageLeavesNothing(t *testing.T) {
	dest := t.TempDir()
	b := openBank(t, t.TempDir())
	b.fund(t)
	if _, err := b.hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	open(t, full)
	if _, err := netherite.Restore(t.Context(), dest, full); !errors.Is(err, engine.ErrForeign) {
		t.Errorf("into a hub: %v", err)
	}
	if _, err := netherite.Restore(t.Context(), full, t.TempDir()); !errors.Is(err, engine.ErrHeld) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from a hub: %v", err)
	}
	if _, err := netherite.Restore(t.Context(), t.TempDir(), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from nothing: %v", err)
	}
	tables, err := filepath.Glob(filepath.Join(dest, "000001", "store", "main", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(tables[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	_, err = netherite.Restore(t.Context(), dest, into)
	if name := filepath.Base(tables[0]); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "file=000001/store/main/"+name+" offset=0 kind=crc") {
		t.Errorf("damage: %v", err)
	}
	if entries, err := os.ReadDir(into); err != nil || len(entries) > 1 { // the lock
		t.Errorf("%v, %v", entries, err)
	}
	_, damage, err := netherite.InspectBackup(t.Context(), dest)
	if err != nil || len(damage) != 1 || damage[0].Kind != "crc" {
		t.Errorf("inspect: %v, %v", damage, err)
	}
}

// A hub that was restored goes on under the names of the original: what the two
// write from then on must not be taken for each other.
func TestRestoredHubIsNotTakenForTheOriginal(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	b := openBank(t, dir)
	b.fund(t)
	if _, err := b.hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if _, err := netherite.Restore(t.Context(), dest, copied); err != nil {
		t.Fatal(err)
	}
	again := openBank(t, copied)
	if _, err := again.hub.Backup(t.Context(), dest); !errors.Is(err, engine.ErrForeign) || !strings.Contains(err.Error(), "restored") {
		t.Errorf("backup of the copy over that of the original: %v", err)
	}
	if err := errors.Join(again.hub.Close(t.Context()), b.hub.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	one, other := verified(t, dir), verified(t, copied)
	if one.Hub != other.Hub || other.Incarnation < one.Incarnation+2 {
		t.Errorf("incarnations %d and %d", one.Incarnation, other.Incarnation)
	}
}

func TestOneBackupAtATime(t *testing.T) {
	dest := t.TempDir()
	b := openBank(t, t.TempDir())
	b.fund(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 4 {
		wg.Go(func() {
			r, err := b.hub.Backup(t.Context(), dest)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && r.Number > 0 {
				made++
			} else if !errors.Is(err, engine.ErrBusy) || strings.Contains(err.Error(), "memory") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made == 0 {
		t.Error("no backup was made")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.hub.Backup(ctx, dest); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled backup: %v", err)
	}
	if _, damage, err := netherite.InspectBackup(t.Context(), dest); err != nil || len(damage) > 0 {
		t.Errorf("%v, %v", damage, err)
	}
}
