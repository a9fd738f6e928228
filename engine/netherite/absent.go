package netherite

import (
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// This file is about work that no connected worker has code for.

// absence is work that nobody connected has code for. Its items are dropped and
// built anew when somebody comes; only their names are kept.
type absence struct {
	tokens map[engine.Token]struct{}
	logged time.Duration // when it was last mentioned; zero never
}

// found takes out the work that waits for what the connection's worker has code
// for. f.mu is held.
func (f *feed) found(c *conn) map[uint32][]held {
	found := map[uint32][]held{}
	for k, a := range f.absent { // order-free: sorted when it is offered
		if !c.w.Handles(k.kind, k.name, k.version) {
			continue
		}
		for t := range a.tokens {
			found[t.Partition] = append(found[t.Partition], held{k.kind, t})
		}
		delete(f.absent, k)
	}
	return found
}

// wake has the partitions hand out work anew, with what was found, by partition.
func (n *node) wake(found map[uint32][]held) {
	if n == nil {
		return
	}
	for id, h := range n.hosts {
		work := found[uint32(id)]
		slices.SortFunc(work, func(a, b held) int { return compareTokens(a.token, b.token) })
		h.do(func(h *host) {
			for _, w := range work {
				h.state.Abandon(w.kind, w.token)
			}
		})
	}
}

// Changed implements engine.Connection.
func (c *conn) Changed() {
	f := c.f
	f.mu.Lock()
	if c.closed.Load() {
		f.mu.Unlock()
		return
	}
	f.version.Add(1)
	n, found := f.node, f.found(c)
	f.mu.Unlock()
	if n == nil {
		return
	}
	n.wake(found)
	for _, h := range n.hosts {
		h.do((*host).askFresh) // what nobody has code for any more is not waited for
	}
}

// handled reports whether a connected worker has code for the work.
func (f *feed) handled(k handler) bool {
	f.mu.Lock()
	conns := f.conns
	f.mu.Unlock()
	return slices.ContainsFunc(conns, func(c *conn) bool { return c.w.Handles(k.kind, k.name, k.version) })
}

// miss notes work that nobody has code for. It returns false if that may no
// longer be so, since the feed has changed.
func (f *feed) miss(k handler, t engine.Token, version uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version.Load() != version {
		return false
	}
	a := f.absent[k]
	if a == nil {
		a = &absence{tokens: map[engine.Token]struct{}{}}
		f.absent[k] = a
	}
	a.tokens[t] = struct{}{}
	return true
}

// waiting reports whether there is work that nobody has code for.
func (f *feed) waiting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.absent) > 0
}

// logAbsent mentions, once a minute each, the code that is missing.
func (f *feed) logAbsent(now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, a := range f.absent {
		if a.logged == 0 || now-a.logged >= time.Minute {
			a.logged = max(now, 1)
			f.e.log.Warn("no handler for "+k.String()+": the work waits until a worker with that code connects", "waiting", len(a.tokens))
		}
	}
}

// explain adds to what an instance waits for the code that nobody has.
func (f *feed) explain(i *model.Instance) {
	w := i.Waits
	if w == nil || i.Status.Ended() {
		return
	}
	k := handler{engine.OrchestrationKind, i.Name, i.Version}
	if i.Entity != nil {
		k = handler{engine.EntityKind, i.Name, ""}
	}
	if (w.Messages > 0 || w.InFlight) && i.Status != model.Suspended && !f.handled(k) {
		w.NoHandler, w.InFlight = k.String(), false
	}
	for n := range w.Tasks {
		t := &w.Tasks[n]
		t.NoHandler = t.NextRetry == 0 && !f.handled(handler{engine.ActivityKind, t.Name, t.Version})
		if t.NoHandler {
			t.Running = false
		}
	}
}
