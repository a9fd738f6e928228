package netherite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netherite-go/netherite/substrate/backup"
)

// TestArchivesOfThePresentHaveWhateverThisProgramWrites compares kinds of files, of rows
// and of fields: what has come since the archives were made would be in none of those
// that are opened for ever.
func TestArchivesOfThePresentHaveWhateverThisProgramWrites(t *testing.T) {
	for name, c := range map[string]struct {
		archive string
		make    func(t *testing.T, dir string)
		kinds   func(t *testing.T, dir string) []string
	}{
		"directory": {presentDirectory(), makeDirectory, func(t *testing.T, dir string) []string {
			return slices.Concat(kindsOfFiles(t, dir), kindsOfRows(t, dir), kindsOfFields(t, dir, hubName))
		}},
		"backup": {presentBackup(), makeBackup, func(t *testing.T, dir string) []string {
			hub := t.TempDir()
			if _, err := Restore(t.Context(), dir, hub); err != nil {
				t.Fatal(err)
			}
			return slices.Concat(kindsOfFiles(t, dir), kindsOfRows(t, hub), kindsOfFields(t, dir, backup.ManifestName))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			made, kept := t.TempDir(), t.TempDir()
			c.make(t, made)
			unpack(t, c.archive+".tar.gz", kept)
			if d := cmp.Diff(c.kinds(t, kept), c.kinds(t, made), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("what is in %s (-) is not what is written now (+); see presentFormat in formats_test.go:\n%s", c.archive, d)
			}
		})
	}
}

var numbers = regexp.MustCompile(`[0-9]+`)

// sortedKinds are the members of a set in order.
func sortedKinds(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// kindsOfFiles are the names of files without the numbers in them.
func kindsOfFiles(t *testing.T, dir string) []string {
	t.Helper()
	set := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || passing(d.Name()) {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		set["file "+numbers.ReplaceAllString(filepath.ToSlash(rel), "#")] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sortedKinds(set)
}

// kindsOfRows are the letters that say what a row of the store is.
func kindsOfRows(t *testing.T, dir string) []string {
	t.Helper()
	set := map[string]bool{}
	for _, base := range []string{"main", "history"} {
		db, err := pebble.Open(filepath.Join(dir, storeName, base), &pebble.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.NewIter(nil)
		if err != nil {
			t.Fatal(err)
		}
		for more := rows.First(); more; more = rows.Next() {
			switch key := rows.Key(); {
			case key[0] == 0xff:
				set[fmt.Sprintf("row %s ff %c", base, key[1])] = true
			case base == "main":
				set[fmt.Sprintf("row %s %c", base, key[2])] = true // after the partition
			default:
				set["row "+base] = true // a chunk: there are no others
			}
		}
		if err := errors.Join(rows.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return sortedKinds(set)
}

// kindsOfFields are the names of the fields of a JSON file, which may have a checksum
// after it.
func kindsOfFields(t *testing.T, dir, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fields map[string]any
	if err := json.NewDecoder(f).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for field := range fields {
		set["field "+name+" "+field] = true
	}
	return sortedKinds(set)
}
