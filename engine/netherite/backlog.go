package netherite

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// What a partition has built and not handed out is bounded, except that
// activities may pile up further, so that long ones do not hold up the steps.
const (
	dispatchSlice   = 256
	maxStepBacklog  = 64
	maxMixedBacklog = 8_192 // of all partitions together, see review
	maxTaskBacklog  = 100_000
	maxHeldSteps    = 1_024 // of each kind, that a batch leaves to wait for their commit
)

// collect asks the core for another slice of items, unless enough are waiting. What
// waits of one kind holds up no other: who has the slots for that may wait for this.
// It reports whether there is more.
func (h *host) collect() (more bool) {
	w := partition.Wanted{Items: dispatchSlice, Enough: h.enough()}
	if w.Enough == [...]bool{true, true, true} {
		return false
	}
	w.Begin = h.begin()
	more = h.state.Dispatch(h.name.Epoch, h.batch.now, w, &h.hands.items)
	if w.Enough[engine.OrchestrationKind] {
		return more
	}
	if held := !more && h.state.Unbegun() > 0; held != h.holding.Load() {
		if h.holding.Store(held); held {
			h.n.keeper.touch()
		}
	}
	return more
}

// enough says of which kinds as much waits as may.
func (h *host) enough() (kinds [3]bool) {
	hd, it := &h.hands, &h.hands.items
	kinds[engine.OrchestrationKind] = len(hd.orchestrations) >= h.most(engine.OrchestrationKind) || len(it.Orchestrations) >= maxHeldSteps
	kinds[engine.EntityKind] = len(hd.entities) >= h.most(engine.EntityKind) || len(it.Entities) >= maxHeldSteps
	kinds[engine.ActivityKind] = len(hd.activities) >= maxTaskBacklog || len(it.Activities) >= maxTaskBacklog
	return kinds
}

// most is how many steps of a kind may wait.
func (h *host) most(kind engine.ItemKind) int {
	if h.hands.mixed[kind] {
		return max(maxStepBacklog, maxMixedBacklog/len(h.n.hosts))
	}
	return maxStepBacklog
}

// review notes whether steps of a kind wait although a worker has slots: it has no code
// for those, and may have some for what comes behind them. Then more are collected, so
// that a worker that is slow, or hangs, does not hold up others with other code.
func (h *host) review(kind engine.ItemKind, waiting int) {
	hd := &h.hands
	was := hd.mixed[kind]
	hd.mixed[kind] = waiting > 0 && slices.ContainsFunc(hd.order, func(r *round) bool { return !r.full[kind] && !r.c.closed.Load() })
	if hd.mixed[kind] && !was && waiting >= maxStepBacklog {
		h.poke()
	}
}
