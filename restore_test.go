package netherite_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// backedUp makes a hub and a backup of it.
func backedUp(t *testing.T) (dir, dest string) {
	t.Helper()
	dir, dest = t.TempDir(), filepath.Join(t.TempDir(), "backup")
	hub := open(t, dir, netherite.Partitions(2))
	visit(t, hub, durable.ID("first"))
	if _, err := hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir, dest
}

// What an interrupted restore has left is no damaged hub: nothing of it was ever used.
func TestInterruptedRestoreSaysSoAndStartsOver(t *testing.T) {
	_, dest := backedUp(t)
	whole := filepath.Join(t.TempDir(), "whole")
	if _, err := netherite.Restore(t.Context(), dest, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(whole, "RESTORING")); err == nil {
		t.Error("a restore that has ended says that it goes on")
	}
	for name, missing := range map[string][]string{
		"at its beginning": {"hub", "log", "store"}, "with half a store": {"hub", "log", "store/main"}, "without the hub file": {"hub"}, "at its end": nil,
	} {
		dir := duplicate(t, whole)
		write(t, dir, "RESTORING", `"`+dest+`"`)
		for _, part := range missing {
			if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
				t.Fatal(err)
			}
		}
		before := unlocked(t, dir)
		again := "run it again: netherite restore " + dest + " " + dir
		if there, err := netherite.Exists(dir); !there || err != nil {
			t.Errorf("%s: %t, %v", name, there, err)
		}
		if _, err := netherite.Open(dir); !errors.Is(err, engine.ErrDamaged) || !strings.HasSuffix(err.Error(), again) {
			t.Errorf("%s: open: %v", name, err)
		}
		if r, err := netherite.Inspect(dir); err != nil || len(r.Damage) != 1 || r.Damage[0].File != "RESTORING" || !strings.HasSuffix(r.Damage[0].Detail, again) {
			t.Errorf("%s: inspect: %+v, %v", name, r, err)
		}
		if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err == nil || !strings.HasSuffix(err.Error(), again) {
			t.Errorf("%s: repair: %v", name, err)
		}
		for file, was := range before {
			if unlocked(t, dir)[file] != was {
				t.Errorf("%s: %s was changed", name, file)
			}
		}
		if _, err := netherite.Restore(t.Context(), dest, dir); err != nil {
			t.Fatal(err)
		}
		hub := open(t, dir)
		if got, err := tour.Attach(hub, "first").Wait(t.Context()); err != nil || len(got) != 2 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestRestoreThatFailsLeavesNothing(t *testing.T) {
	_, dest := backedUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := netherite.Restore(ctx, dest, dir); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) && runtime.GOOS != "windows" {
		t.Errorf("the directory is there: %v, %v", fingerprint(t, dir), err)
	}
}

// A backup is in no hub and no hub in a backup: the one would go with the other.
func TestBackupAndHubAreApart(t *testing.T) {
	dir, dest := backedUp(t)
	other, second := backedUp(t)
	for _, in := range []string{other, second} {
		if _, err := netherite.Restore(t.Context(), dest, filepath.Join(in, "below", "hub")); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("restore into %s: %v", in, err)
		}
	}
	if _, err := os.Stat(filepath.Join(other, "below")); err == nil {
		t.Error("a directory was made")
	}
	for _, to := range []string{dest, filepath.Join(dest, "hub"), filepath.Dir(dest)} {
		if _, err := netherite.Restore(t.Context(), dest, to); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("restore to %s: %v", to, err)
		}
	}
	if _, damage, err := netherite.InspectBackup(t.Context(), dest); err != nil || len(damage) > 0 {
		t.Errorf("the backup: %v, %v", damage, err)
	}
	hub := open(t, dir)
	for _, to := range []string{dir, filepath.Join(dir, "backup"), filepath.Dir(dir), filepath.Join(dest, "backup"), filepath.Join(other, "backup")} {
		if _, err := hub.Backup(t.Context(), to); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("back up to %s: %v", to, err)
		}
	}
}

// TestWhatHasTheNamesOfAHubIsNone: folders such as /var and those of other programs have a
// log, a store or a file named hub. That keeps nobody from having hubs and backups below.
func TestWhatHasTheNamesOfAHubIsNone(t *testing.T) {
	dir, dest := backedUp(t)
	hub := open(t, dir)
	other := t.TempDir()
	for _, name := range []string{"log/dev.log", "log/identity.txt", "store/main/app.go", "store/history/1.log"} {
		if err := os.MkdirAll(filepath.Join(other, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, other, name, "of another program")
	}
	if there, err := netherite.Exists(other); there || err != nil {
		t.Errorf("a hub is seen: %v", err)
	}
	for _, name := range []string{"", "hub", "log/identity"} {
		if name != "" {
			write(t, other, name, "of another program")
		}
		if _, err := netherite.Restore(t.Context(), dest, filepath.Join(other, "restored "+filepath.Base(name))); err != nil {
			t.Errorf("with %q: %v", name, err)
		}
		if _, err := hub.Backup(t.Context(), filepath.Join(other, "backup")); err != nil {
			t.Errorf("with %q: %v", name, err)
		}
	}
}

func duplicate(t testing.TB, dir string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// unlocked are the files of a directory, but for those of its lock.
func unlocked(t *testing.T, dir string) map[string]string {
	files := fingerprint(t, dir)
	maps.DeleteFunc(files, func(name, _ string) bool {
		return strings.HasPrefix(filepath.Base(name), "LOCK") || strings.HasPrefix(filepath.Base(name), "HOLDER") || name == dir
	})
	return files
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
