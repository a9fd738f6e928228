package netherite

import "github.com/netherite-go/netherite/engine"

// enough says of which kinds as much waits as may.
func (hd *hands) enough() (kinds [3]bool) {
	it := &hd.items
	kinds[engine.OrchestrationKind] = len(hd.orchestrations) >= maxStepBacklog || len(it.Orchestrations) >= maxHeldSteps
	kinds[engine.EntityKind] = len(hd.entities) >= maxStepBacklog || len(it.Entities) >= maxHeldSteps
	kinds[engine.ActivityKind] = len(hd.activities) >= maxTaskBacklog || len(it.Activities) >= maxTaskBacklog
	return kinds
}

// refill has the partition look again if a hand-out has made room for what the core has
// left of a kind of which there was enough: nothing else may come to do so. After most
// there is nothing left, and a batch of its own would part what comes together.
func (h *host) refill(full [3]bool) {
	now := h.hands.enough()
	for kind := range full {
		full[kind] = full[kind] && !now[kind]
	}
	// For those that are held back the keeper looks again.
	unbegun := full[engine.OrchestrationKind] && h.state.Unbegun() > 0 && !h.holding.Load()
	if unbegun || h.state.Queued(full) {
		h.poke()
	}
}
