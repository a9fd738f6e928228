//go:build !race

package netherite_test

import (
	"bytes"
	"path"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// The files of a database's options hold nothing that is needed. What has become of
// them is named; the hub opens, and a repair mends them without a word.
func TestDamagedOptionsOfADatabaseCostNothing(t *testing.T) {
	whole, acknowledged := bankHub(t, true)
	for _, database := range []string{"main", "history"} {
		for how, harm := range map[string]func([]byte) []byte{
			"missing": gone,
			"empty":   func([]byte) []byte { return []byte{} },
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"noise":   func(b []byte) []byte { return bytes.Repeat([]byte{0xa5, 0, '\n'}, len(b)/3) },
		} {
			t.Run(database+"/"+how, func(t *testing.T) {
				dir := duplicate(t, whole)
				file := change(t, dir, path.Join("store", database, "OPTIONS-*"), true, harm)
				if how == "missing" {
					file = path.Join("store", database, "OPTIONS-*")
				}
				r, err := netherite.Inspect(dir)
				if err != nil || len(r.Damage) != 1 || r.Damage[0].File != file || !r.Damage[0].Harmless || !strings.Contains(r.Damage[0].Detail, "nothing is lost") {
					t.Fatalf("inspect: %+v, %v", r, err)
				}

				repaired := duplicate(t, dir)
				done, err := netherite.Repair(t.Context(), repaired, netherite.RepairOptions{})
				if err != nil || !done.Done || done.Loses() || len(done.Rows)+len(done.Sifted)+len(done.Emptied) > 0 {
					t.Fatalf("repair: %+v, %v", done, err)
				}
				runsOn(t, repaired)
				openBank(t, repaired).check(t, acknowledged)

				b := openBank(t, dir) // also without a repair
				b.check(t, acknowledged)
				if err := b.hub.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				runsOn(t, dir)
			})
		}
	}
}
