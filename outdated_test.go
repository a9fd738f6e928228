//go:build !race

package netherite_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// TestOlderStoreIsRefusedAndLosesNothing: a copy of the store from before the last
// opening lies in the place of the store, and the log has let go of what has happened
// since. Nothing may be built on that: with the right store back all is there.
func TestOlderStoreIsRefusedAndLosesNothing(t *testing.T) {
	e := endingsOfAHub(t)
	for name, right := range map[string]struct {
		dir string
		has []string
	}{"killed": {e.killed, e.killedHas}, "closed": {e.closed, e.closedHas}} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, right.dir)
			replaced(t, dir, e.first, "store")
			before := unlocked(t, dir)
			if _, err := netherite.Open(dir, netherite.MustExist()); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "older copy of the store") {
				t.Fatalf("it is opened with %v", err)
			}
			r, err := netherite.Inspect(dir)
			if err != nil || len(r.Damage) != 1 || r.Damage[0].File != "store" || !strings.Contains(r.Damage[0].Detail, "older copy") {
				t.Errorf("inspect: %v, %+v", err, r.Damage)
			}
			said, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if !errors.Is(err, netherite.ErrLoses) || !said.Outdated || len(said.Losses) == 0 {
				t.Errorf("repair: %v, %+v", err, said)
			}
			if after := unlocked(t, dir); !maps.Equal(before, after) {
				t.Error("something was changed")
			}
			replaced(t, dir, right.dir, "store")
			openBank(t, dir).check(t, right.has)

			dropped := duplicate(t, right.dir)
			replaced(t, dropped, e.first, "store")
			if _, err := netherite.Repair(t.Context(), dropped, netherite.RepairOptions{Drop: true}); err != nil {
				t.Fatal(err)
			}
			openBank(t, dropped)
		})
	}
}

// TestOlderStoreThatTheLogMakesUpForIsNone: a log that has all since loses nothing.
func TestOlderStoreThatTheLogMakesUpForIsNone(t *testing.T) {
	dir := t.TempDir()
	opts := []netherite.Option{netherite.Partitions(4), netherite.CheckpointEvery(1<<30, 1<<30)}
	b := openBank(t, dir, opts...)
	b.fund(t)
	older := atACrash(t, dir)
	b.run(t.Context(), t, "first", 4, 20)
	has := b.known()
	b.hub.Kill()
	b = openBank(t, dir, opts...)
	b.hub.Kill()
	if r := verified(t, dir); r.LogBegin > 0 {
		t.Fatalf("the log begins at %d", r.LogBegin)
	}
	replaced(t, dir, older, "store")
	openBank(t, dir).check(t, has)
}
