//go:build !race

package netherite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// manyTables makes a hub whose store has several tables in each database.
func manyTables(t *testing.T) (dir string, main []string) {
	t.Helper()
	dir, _ = bankHub(t, true)
	for range 3 {
		b := openBank(t, dir)
		b.run(t.Context(), t, "more", 4, 40)
		if err := errors.Join(b.hub.Checkpoint(t.Context()), b.hub.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	main, err := filepath.Glob(filepath.Join(dir, "store", "main", "*.sst"))
	if err != nil || len(main) < 2 {
		t.Fatal(main, err)
	}
	return dir, main
}

// A table is whole, and not the one that was there: its checksums do not tell.
func TestTableInThePlaceOfAnotherIsLost(t *testing.T) {
	whole, tables := manyTables(t)
	lossy := false
	for i := range tables {
		dir := duplicate(t, whole)
		name := filepath.Base(tables[i])
		data, err := os.ReadFile(tables[(i+1)%len(tables)])
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "store", "main", name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if r, err := netherite.Inspect(dir); err != nil || !hasFile(r.Damage, "store/main/"+name) {
			t.Errorf("%s: inspect: %+v, %v", name, r, err)
		}
		r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
		harmless := err == nil && len(r.Rows) > 0 && strings.HasPrefix(r.Rows[0].Low, "ff") // it had the notes of the store alone
		if !errors.Is(err, netherite.ErrLoses) && !harmless || len(r.Rows) == 0 || r.Rows[0].File != "store/main/"+name {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if lossy = lossy || !harmless; !harmless {
			if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil {
				t.Fatal(err)
			}
		}
		runsOn(t, dir)
	}
	if !lossy {
		t.Error("no table had rows")
	}
}
