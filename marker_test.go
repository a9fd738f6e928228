//go:build !race

package netherite_test

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// The marker of a database's format is an empty file. Without it the manifest still says
// which tables belong to the database.
func TestRepairWithoutTheMarkerOfAFormatLosesNothing(t *testing.T) {
	whole, acknowledged := bankHub(t, true)
	for _, databases := range [][]string{{"store/main"}, {"store/history"}, {"store/main", "store/history"}} {
		dir := duplicate(t, whole)
		for _, database := range databases {
			dropped(database+"/marker.format-version.*")(t, dir)
		}
		r, err := netherite.Inspect(dir)
		if err != nil || len(r.Damage) != len(databases) {
			t.Errorf("%s: inspect: %+v, %v", databases, r, err)
		}
		for _, database := range databases {
			if !hasFile(r.Damage, database+"/marker.format-version.*") || !strings.Contains(r.Damage[0].Detail, "marker of its format is missing") {
				t.Errorf("%s: inspect: %+v", databases, r.Damage)
			}
		}
		done, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
		if err != nil || !done.Done || done.Loses() || len(done.Rows) > 0 {
			t.Errorf("%s: repair: %+v, %v", databases, done, err)
			continue
		}
		verified(t, dir)
		openBank(t, dir).check(t, acknowledged)
	}
}
