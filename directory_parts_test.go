//go:build !race

package netherite_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// dropped removes a part of a hub, all that matches.
func dropped(pattern string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// emptied makes a directory an empty one.
func emptied(part string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		dropped(part)(t, dir)
		if err := os.Mkdir(filepath.Join(dir, part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// all does one after the other.
func all(harms ...func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		for _, harm := range harms {
			harm(t, dir)
		}
	}
}

// taken puts a part of another hub into the place of one's own.
func taken(other, part string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		dropped(part)(t, dir)
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(other, part))); err != nil {
			t.Fatal(err)
		}
	}
}

// withoutNote takes the note from the hub file that all parts are there, as in hubs of
// early programs.
func withoutNote(t *testing.T, dir string) {
	t.Helper()
	change(t, dir, "hub", false, func(data []byte) []byte {
		before, after, ok := strings.Cut(string(data), `,"created":"`)
		if !ok {
			t.Fatalf("%s", data)
		}
		return []byte(before + after[strings.Index(after, `"`)+1:])
	})
}

// Pebble would make a new database of a directory that lacks its marker, and delete
// the tables; partitions without a state would park, and the log be trimmed. So who
// puts the right part back finds everything as it was.
func TestHubOfWhichAPartIsMissingIsRefusedAndLeftAsItIs(t *testing.T) {
	trimmed, acknowledged := bankHub(t, true)
	other, _ := bankHub(t, true)
	for name, c := range map[string]struct {
		harm func(t *testing.T, dir string)
		want error
		file string // that inspect names
	}{
		"marker of main":      {dropped("store/main/marker.manifest*"), engine.ErrDamaged, "store/main"},
		"marker of history":   {dropped("store/history/marker.manifest*"), engine.ErrDamaged, "store/history"},
		"markers of main":     {dropped("store/main/marker.*"), engine.ErrDamaged, "store/main"},
		"manifest of main":    {dropped("store/main/MANIFEST-*"), engine.ErrDamaged, "store/main"},
		"manifest of history": {dropped("store/history/MANIFEST-*"), engine.ErrDamaged, "store/history"},
		"main":                {dropped("store/main"), engine.ErrDamaged, "store/main"},
		"history":             {dropped("store/history"), engine.ErrDamaged, "store/history"},
		"store":               {dropped("store"), engine.ErrDamaged, "store"},
		"log":                 {dropped("log"), engine.ErrDamaged, "log"},
		"main is empty":       {emptied("store/main"), engine.ErrDamaged, "store/main"},
		"history is empty":    {emptied("store/history"), engine.ErrDamaged, "store/history"},
		"store is empty":      {emptied("store"), engine.ErrDamaged, "store"},
		"log is empty":        {emptied("log"), engine.ErrDamaged, "log"},
		"log and store":       {all(dropped("log"), dropped("store")), engine.ErrDamaged, "log"},
		"both are empty":      {all(emptied("log"), emptied("store")), engine.ErrDamaged, "log"},
		"hub":                 {dropped("hub"), engine.ErrDamaged, "hub"},
		"another's store":     {taken(other, "store"), engine.ErrForeign, "store"},
		"another's main":      {taken(other, "store/main"), engine.ErrForeign, "store/main"},
		"another's history":   {taken(other, "store/history"), engine.ErrForeign, "store/history"},
		"another's log":       {taken(other, "log"), engine.ErrForeign, "hub"},
		"another's both":      {all(taken(other, "log"), taken(other, "store")), engine.ErrForeign, "hub"},
	} {
		for _, early := range []bool{false, true} {
			if early && (name == "log and store" || name == "both are empty" || name == "hub") {
				continue // nothing tells that there was anything
			}
			dir := duplicate(t, trimmed)
			if early {
				withoutNote(t, dir)
			}
			c.harm(t, dir)
			before := unlocked(t, dir)
			hub, err := netherite.Open(dir)
			if err == nil {
				hub.Kill()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s (early: %t): open: %v", name, early, err)
			} else if text := err.Error(); !strings.Contains(text, "netherite inspect --verify "+dir) || !strings.Contains(text, "netherite repair --dry-run "+dir) || !strings.Contains(text, "copy the directory") {
				t.Errorf("%s: it does not say what to do: %v", name, err)
			}
			r, err := netherite.Inspect(dir)
			if err != nil || len(r.Damage) == 0 || !hasFile(r.Damage, c.file) {
				t.Errorf("%s (early: %t): inspect: %+v, %v", name, early, r, err)
			}
			_, _ = netherite.Repair(t.Context(), dir, netherite.RepairOptions{DryRun: true})
			if !maps.Equal(before, unlocked(t, dir)) {
				t.Errorf("%s (early: %t): it was changed", name, early)
			}
		}
	}
	// What was put back is the hub.
	dir := duplicate(t, trimmed)
	if err := os.Rename(filepath.Join(dir, "store"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if _, err := netherite.Open(dir); err == nil {
		t.Error("it opens without its store")
	}
	if err := os.Rename(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	openBank(t, dir).check(t, acknowledged)
}

func hasFile(damage []netherite.Damage, file string) bool {
	for _, d := range damage {
		if strings.HasPrefix(filepath.ToSlash(d.File), file) {
			return true
		}
	}
	return false
}

// No repair takes a part that is missing for one that was never there.
func TestRepairOfAHubOfWhichAPartIsMissingNeedsTheWord(t *testing.T) {
	trimmed, _ := bankHub(t, true)
	other, _ := bankHub(t, true)
	for name, harm := range map[string]func(t *testing.T, dir string){
		"marker of main": dropped("store/main/marker.manifest*"), "main": dropped("store/main"), "history": dropped("store/history"),
		"store": dropped("store"), "log and store": all(dropped("log"), dropped("store")), "another's store": taken(other, "store"),
	} {
		dir := duplicate(t, trimmed)
		harm(t, dir)
		r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
		if !errors.Is(err, netherite.ErrLoses) || !r.Loses() {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil || !r.Done {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		runsOn(t, dir)
	}
}

// A hub file without the note is what early programs wrote, and what they read.
func TestEarlyHubIsNotedToBeWholeWhenItIsOpened(t *testing.T) {
	dir, acknowledged := bankHub(t, true)
	noted, err := os.ReadFile(filepath.Join(dir, "hub"))
	if err != nil {
		t.Fatal(err)
	}
	withoutNote(t, dir)
	b := openBank(t, dir)
	b.check(t, acknowledged)
	b.hub.Kill()
	now, err := os.ReadFile(filepath.Join(dir, "hub"))
	if err != nil || string(now) != string(noted) {
		t.Errorf("%s, want %s; %v", now, noted, err)
	}
	change(t, dir, "hub", false, func(data []byte) []byte {
		return []byte(strings.Replace(string(data), `"created":"`, `"created":"0`, 1))
	})
	if r, err := netherite.Inspect(dir); err != nil || !hasFile(r.Damage, "hub") {
		t.Errorf("%+v, %v", r, err)
	}
}

// That nobody can look is no answer to whether there is a hub.
func TestDirectoryThatCannotBeLookedIntoIsNotOneWithoutAHub(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("hub", filepath.Join(dir, "hub")); err != nil { // a link to itself
		t.Fatal(err)
	}
	if there, err := netherite.Exists(dir); err == nil || there || !strings.Contains(err.Error(), dir) {
		t.Errorf("%t, %v", there, err)
	}
	if _, err := netherite.Inspect(dir); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("inspect: %v", err)
	}
	file := filepath.Join(dir, "file")
	write(t, dir, "file", "")
	if there, err := netherite.Exists(file); there || err != nil {
		t.Errorf("a file: %t, %v", there, err)
	}
}

// Nobody would notice before a partition has to be parked, and has no place for its records.
func TestSideFilesThatHaveNoDirectoryAreNoticed(t *testing.T) {
	dir, acknowledged := bankHub(t, true)
	if err := os.WriteFile(filepath.Join(dir, "side"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	hub, err := netherite.Open(dir)
	if err == nil {
		hub.Kill()
	}
	if !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "file=side offset=0 kind=short: it is no directory") {
		t.Errorf("open: %v", err)
	}
	if r, err := netherite.Inspect(dir); err != nil || len(r.Damage) != 1 || r.Damage[0].File != "side" || r.Damage[0].Partition != -1 {
		t.Errorf("inspect: %+v, %v", r, err)
	}
	if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err != nil || !r.Done || r.Loses() {
		t.Errorf("repair: %+v, %v", r, err)
	}
	openBank(t, dir).check(t, acknowledged)
}
