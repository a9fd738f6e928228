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

// TestAnyMixOfOlderPartsIsRefusedOrLosesNothing: of the log and the two databases some
// are copies of an earlier moment. Such a hub is either refused, and with the right
// parts back nothing is missing, or opened without loss.
func TestAnyMixOfOlderPartsIsRefusedOrLosesNothing(t *testing.T) {
	e := endingsOfAHub(t)
	parts := []string{"log", "store/main", "store/history"}
	for _, right := range []struct {
		name, dir string
		has       []string
	}{{"killed", e.killed, e.killedHas}, {"closed", e.closed, e.closedHas}} {
		for older, from := range map[string]string{"first": e.first, "early": e.early, "killed": e.killed} {
			for mix := 1; mix < 1<<len(parts)-1 && from != right.dir; mix++ {
				var names []string
				for i, part := range parts {
					if mix&(1<<i) != 0 {
						names = append(names, part)
					}
				}
				t.Run(right.name+"/"+older+"/"+strings.ReplaceAll(strings.Join(names, "+"), "store/", ""), func(t *testing.T) {
					dir := duplicate(t, right.dir)
					putBack(t, dir, from, names)
					refusedOrWhole(t, dir, right.dir, names, right.has)
				})
			}
		}
	}
}

// putBack puts parts of another copy in the place of those of a hub. What is noted at an
// opening lies beside main and goes with it.
func putBack(t *testing.T, dir, from string, parts []string) {
	for _, part := range parts {
		replaced(t, dir, from, part)
		if part == "store/main" {
			replaced(t, dir, from, "store/opened")
		}
	}
}

// refusedOrWhole holds that a hub is refused and named, until the parts of the right one
// are back, or has all that is acknowledged.
func refusedOrWhole(t *testing.T, dir, right string, parts, has []string) {
	before := unlocked(t, dir)
	r, err := netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	hub, err := netherite.Open(dir, bankCode)
	switch {
	case err == nil:
		hub.Kill()
		if len(r.Damage) > 0 {
			t.Errorf("it is opened, and inspect names %+v", r.Damage)
		}
	case !errors.Is(err, engine.ErrDamaged) || len(r.Damage) == 0:
		t.Fatalf("open: %v, inspect: %+v", err, r.Damage)
	default:
		if !maps.Equal(before, unlocked(t, dir)) {
			t.Error("something was changed")
		}
		putBack(t, dir, right, parts)
	}
	openBank(t, dir).check(t, has)
}
