package netherite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// TestDamageWithinARowIsNamedWithItsTableAndBlock changes rows past the store's code, so
// that all checksums are right. Then it spoils the block that is named: that must be
// the one of which the store itself says that it is damaged.
func TestDamageWithinARowIsNamedWithItsTableAndBlock(t *testing.T) {
	cut := func(value []byte) []byte { return value[:1] }
	for name, c := range map[string]struct {
		database, prefix string
		change           func(value []byte) []byte
		kind             string
		partition        int
	}{
		"a partition's counters":      {"main", "\x00\x02M", cut, "chain", 2},
		"an instance":                 {"main", "\x00\x00i\x00\x00\x00\x00\x00\x00\x00", cut, "chain", 0},
		"the note about a side file":  {"main", "\x00\x01p", func([]byte) []byte { return []byte{0} }, "chain", 1},
		"a chunk of history":          {"history", "\x00\x00", cut, "chain", 0},
		"a newer chunk of history":    {"history", "\x00\x00", func(v []byte) []byte { v[0]++; return v }, "version", 0},
		"newer counters":              {"main", "\x00\x02M", func(v []byte) []byte { v[0]++; return v }, "version", -1},
		"a chunk of no event at all":  {"history", "\x00\x02", func([]byte) []byte { return nil }, "chain", 2},
		"a newer note of a side file": {"main", "\x00\x01p", func(v []byte) []byte { v[0]++; return v }, "version", -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, filepath.Join(formatsDir, fmt.Sprintf("v%d.tar.gz", formatVersion)), dir)
			key := rewriteFirst(t, dir, c.database, c.prefix, c.change)
			r, err := Inspect(dir)
			if err != nil {
				t.Fatal(err)
			}
			named := slices.IndexFunc(r.Damage, func(d Damage) bool {
				return d.Kind == c.kind && d.Partition == c.partition && strings.Contains(d.Detail, fmt.Sprintf("the row with the key %x", key))
			})
			if named < 0 || !strings.HasPrefix(r.Damage[named].File, "store/"+c.database+"/") {
				t.Fatalf("row %x: %+v", key, r.Damage)
			}
			place := r.Damage[named]
			rewriteFile(t, filepath.Join(dir, filepath.FromSlash(place.File)), func(data []byte) []byte {
				data[place.Offset+9] ^= 1
				return data
			})
			r, err = Inspect(dir)
			if err != nil || !slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.File == place.File && d.Offset == place.Offset && d.Kind == "crc" }) {
				t.Errorf("%s at %d was named, and once it is spoiled: %+v, %v", place.File, place.Offset, r, err)
			}
		})
	}
}

// What is wrong with several rows together, or with one that is missing, has no place: the
// store is named, and what does not fit.
func TestDamageOfNoRowByItselfIsNamedInWords(t *testing.T) {
	dir := t.TempDir()
	unpack(t, filepath.Join(formatsDir, fmt.Sprintf("v%d.tar.gz", formatVersion)), dir)
	rewriteFirst(t, dir, "main", "\x00\x00n", func([]byte) []byte { return []byte{1} })
	r, err := Inspect(dir)
	if err != nil || len(r.Damage) != 1 || r.Damage[0].File != storeName || r.Damage[0].Offset != 0 || r.Damage[0].Kind != "chain" || r.Damage[0].Partition != 0 ||
		!strings.Contains(r.Damage[0].Detail, "index 'n' of partition 0") {
		t.Errorf("%+v, %v", r, err)
	}
}

// rewriteFirst changes the first row with a prefix, in a table of its own, and returns
// its key.
func rewriteFirst(t *testing.T, dir, database, prefix string, change func([]byte) []byte) (key string) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(dir, storeName, database), &pebble.Options{DisableWAL: true})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix)})
	if err != nil {
		t.Fatal(err)
	}
	if !rows.First() || !strings.HasPrefix(string(rows.Key()), prefix) {
		t.Fatalf("%s has no row %q", database, prefix)
	}
	key = string(rows.Key())
	value := change(slices.Clone(rows.Value()))
	for _, err := range []error{rows.Close(), db.Set([]byte(key), value, pebble.NoSync), db.Flush(), db.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return key
}
