//go:build !race

package netherite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// The end of a table describes it. Without that its rows are read all the same: a
// repair loses nothing, and needs no word.
func TestTableWithoutItsEndLosesNoRow(t *testing.T) {
	whole, main := manyTables(t)
	history, err := filepath.Glob(filepath.Join(whole, "store", "history", "*.sst"))
	if err != nil || len(history) == 0 {
		t.Fatal(history, err)
	}
	before, err := content(whole, 4)
	if err != nil {
		t.Fatal(err)
	}
	hows := []string{"a bit", "zeros", "cut off", "noise"}
	for i, table := range append(main, history...) {
		rel, _ := filepath.Rel(whole, table)
		for how, harm := range map[string]func([]byte) []byte{
			"a bit":   func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
			"zeros":   func(b []byte) []byte { clear(b[len(b)-57:]); return b },
			"cut off": func(b []byte) []byte { return b[:len(b)-57] },
			"noise":   func(b []byte) []byte { return append(b[:len(b)-57], bytes.Repeat([]byte{0x5a}, 57)...) },
		} {
			if how != hows[i%len(hows)] {
				continue // it takes its time
			}
			dir := duplicate(t, whole)
			change(t, dir, rel, true, harm)
			r, err := netherite.Inspect(dir)
			if err != nil || !hasFile(r.Damage, filepath.ToSlash(rel)) {
				t.Errorf("%s, %s: inspect: %+v, %v", rel, how, r, err)
			}
			if info, err := os.Stat(table); err != nil || how != "cut off" && r.Damage[0].Offset != info.Size()-57 {
				t.Errorf("%s, %s: inspect: %+v, %v", rel, how, r.Damage, err)
			}
			done, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if err != nil || !done.Done || done.Loses() || len(done.Rows) > 0 {
				t.Errorf("%s, %s: repair: %+v, %v", rel, how, done, err)
				continue
			}
			after, err := content(dir, 4)
			if err != nil || rowsOnly(after) != rowsOnly(before) {
				t.Errorf("%s, %s: not all rows are there, %v", rel, how, err)
			}
			runsOn(t, dir)
		}
	}
}

// rowsOnly leaves out what a content says of the log.
func rowsOnly(content string) string {
	var rows []string
	for line := range strings.Lines(content) {
		if strings.HasPrefix(line, "0 00") || strings.HasPrefix(line, "1 00") {
			rows = append(rows, line)
		}
	}
	return strings.Join(rows, "")
}

// inspect and repair say the same of a hub file.
func TestHubFileIsNamedInTheSameWordsByInspectAndRepair(t *testing.T) {
	whole, _ := bankHub(t, false)
	for how, harm := range map[string]func([]byte) []byte{"missing": gone, "empty": func([]byte) []byte { return []byte{} }, "noise": flipAt(0.4)} {
		dir := duplicate(t, whole)
		change(t, dir, "hub", false, harm)
		r, err := netherite.Inspect(dir)
		done, repairErr := netherite.Repair(t.Context(), dir, netherite.RepairOptions{DryRun: true})
		if err != nil || repairErr != nil || len(r.Damage) != 1 || len(done.Damage) != 1 {
			t.Fatalf("%s: %+v, %v; %+v, %v", how, r, err, done, repairErr)
		}
		if r.Damage[0] != done.Damage[0] || (r.Damage[0].Kind == "short") != (how == "missing") {
			t.Errorf("%s: inspect: %+v, repair: %+v", how, r.Damage[0], done.Damage[0])
		}
	}
}
