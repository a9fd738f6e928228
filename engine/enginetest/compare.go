package enginetest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/worker"
)

// RunEvicted plays scenarios twice: once in storage whose engine keeps what it
// can, with live copies of orchestrations and entities kept between steps; and
// once in storage whose engine evicts every instance that it need not hold, with
// no live copies, so that every step begins with loading and a replay. The
// histories must be the same, event by event.
//
// What a history owes to the order in which messages happened to arrive is left
// out: where steps begin, and which of several answers came first. Times and
// what is derived from execution IDs differ between any two runs.
func RunEvicted(t *testing.T, keeping, evicting New) {
	for _, g := range [][]scenario{orchestrations, payloads, rewinds, entities[:5]} {
		for _, c := range g {
			if c.heavy {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				kept := Suite{New: keeping, histories: recorded{}}
				evicted := Suite{New: evicting, histories: recorded{}, Worker: func(o *worker.Options) { o.CacheCount = -1 }}
				kept.play(t, c)
				evicted.play(t, c)
				compare(t, kept.histories, evicted.histories)
			})
		}
	}
}

// recorded are canonical histories by instance. Those of children whose IDs were
// derived from executions come together, in the order of their content.
type recorded map[string][][]string

// compare reports the first difference of two runs' histories.
func compare(t *testing.T, kept, evicted recorded) {
	ids := slices.Sorted(maps.Keys(kept))
	if others := slices.Sorted(maps.Keys(evicted)); !slices.Equal(ids, others) {
		t.Errorf("instances with live copies: %q, without: %q", ids, others)
		return
	}
	for _, id := range ids {
		a, b := slices.Concat(kept[id]...), slices.Concat(evicted[id]...)
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i] != b[i] {
				t.Errorf("history of %s differs at event %d:\nwith live copies\n\t%s\nwithout\n\t%s",
					id, i, strings.Join(a[min(i, len(a)):], "\n\t"), strings.Join(b[min(i, len(b)):], "\n\t"))
				return
			}
		}
	}
}

// record notes the histories of all instances.
func (s *scene) record(into recorded) {
	s.Helper()
	for _, inst := range s.list(engine.Query{}) {
		history, err := s.engine.History(s.ctx, inst.ID)
		s.ok(err)
		id := histories.Lasting(inst.ID)
		into[id] = append(into[id], histories.Canonical(history))
	}
	for _, all := range into { // order-free: each is sorted by itself
		slices.SortFunc(all, slices.Compare)
	}
}
