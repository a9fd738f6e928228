package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mostTurns bounds what happens in a run, whatever the time: what goes on for ever
// within no time would else never end. The largest of 150 seeds takes some 110,000.
const mostTurns = 5_000_000

// tallied is how many of the last turns are counted by what happens in them.
const tallied = 10_000

// turn counts what happens, and ends a run in which that has no end.
func (w *world) turn() {
	w.turns++
	switch w.turns {
	case mostTurns - tallied:
		w.tally = map[string]int{}
	case mostTurns:
		tally := w.tally
		often := slices.SortedFunc(maps.Keys(tally), func(a, b string) int {
			return cmp.Or(tally[b]-tally[a], strings.Compare(a, b))
		})
		for i, what := range often {
			often[i] = fmt.Sprintf("%s (%d times)", what, tally[what])
		}
		w.fail("liveness: no end after %d turns, %v after the beginning; lately: %s", w.turns, w.now, strings.Join(often[:min(len(often), 5)], ", "))
	}
}
