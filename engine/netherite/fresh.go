package netherite

import (
	"maps"
	"slices"

	"github.com/netherite-go/netherite/engine"
)

// A fresh read of an entity includes the operations that were accepted before
// it. It waits with those that wait for a change of the instance, and is asked
// again whenever a batch of operations has been applied, or a worker has gone.

// stale reports whether a fresh read has to wait for operations that a worker is
// going to run; then the call has been put among those who wait.
func (h *host) stale(c *call) bool {
	if !c.get.Fresh || c.inst == nil || c.inst.Entity == nil {
		return false
	}
	if c.mark == 0 {
		c.mark = h.state.Unapplied(c.key.ID)
	}
	if c.mark == 0 || h.state.Applied(c.key.ID, c.mark) || !h.n.e.feed.handled(handler{kind: engine.EntityKind, name: c.inst.Name, version: c.inst.Version}) {
		return false
	}
	id := c.key.ID
	h.waiters[id] = append(h.waiters[id], c)
	if h.fresh == nil {
		h.fresh = map[string]bool{}
	}
	h.fresh[id] = true
	return true
}

// askFresh asks the fresh reads again that wait for operations.
func (h *host) askFresh() {
	for _, id := range slices.Sorted(maps.Keys(h.fresh)) {
		kept := h.waiters[id][:0]
		for _, c := range h.waiters[id] {
			if c.mark > 0 {
				h.post(input{call: c})
			} else {
				kept = append(kept, c)
			}
		}
		if h.waiters[id] = kept; len(kept) == 0 {
			delete(h.waiters, id)
		}
	}
	clear(h.fresh)
}
