package durabletask

import "github.com/netherite-go/netherite/engine"

// beginDrain has what waits to be sent, and what comes from now on, given back. So is
// a batch of operations that the worker does not seem to have understood: nobody
// would complete it.
func (w *session) beginDrain() {
	w.mu.Lock()
	w.drains = true
	t := &w.trial
	for _, i := range t.waiting {
		w.queue = append(w.queue, i)
	}
	t.waiting = nil
	var dropped *engine.EntityItem
	if t.trust == doubted {
		dropped = t.item
	}
	w.mu.Unlock()
	if dropped != nil {
		w.takeBack(dropped)
	}
	w.wake()
}

// unoffer gives back an item that has not been sent. It reports whether it was one.
// The delay is for a hub that does not drain: it would offer the item at once, if the
// worker were not known to leave.
func (w *session) unoffer(item any) bool {
	delay := abandonDelay
	if w.leaves.Load() {
		delay = 0
	}
	var d dropped
	switch i := item.(type) {
	case *engine.ActivityItem:
		d = dropped{engine.ActivityKind, i.Token}
	case *engine.EntityItem:
		d = dropped{engine.EntityKind, i.Token}
	case *engine.OrchestrationItem:
		d = dropped{engine.OrchestrationKind, i.Token}
	case *attempt:
		d = dropped{engine.OrchestrationKind, i.item.Token}
	default:
		return false
	}
	_ = w.conn.Abandon(d.kind, d.token, delay) // it may be stale, which is all the same
	return true
}
