package netherite

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// This file is about work that no connected worker has code for.

// absence is work that nobody connected has code for. Its items are dropped and
// built anew when somebody comes; only their names are kept, up to a bound.
type absence struct {
	tokens map[engine.Token]struct{}
	logged time.Duration       // when it was last mentioned; zero never
	beyond map[uint32]struct{} // partitions that have more
}

// absences are all of them, by the code that is missing, up to a bound.
type absences struct {
	of     map[handler]*absence
	beyond map[uint32]struct{} // partitions that have more
}

// Bounds on what is kept of absent code. A partition that has more is searched for all
// that waits in it.
const (
	maxAbsences = 256
	maxAbsent   = 1_024 // items of one
)

// miss notes an item.
func (a *absences) miss(k handler, t engine.Token) {
	t.Name = engine.Name{} // an item may be built, and missed, more than once
	one := a.of[k]
	switch {
	case one == nil && len(a.of) >= maxAbsences:
		note(&a.beyond, t.Partition)
		return
	case one == nil:
		one = &absence{tokens: map[engine.Token]struct{}{}}
		if a.of == nil {
			a.of = map[handler]*absence{}
		}
		a.of[k] = one
	}
	if _, known := one.tokens[t]; !known && len(one.tokens) >= maxAbsent {
		note(&one.beyond, t.Partition)
		return
	}
	one.tokens[t] = struct{}{}
}

func note(set *map[uint32]struct{}, partition uint32) {
	if *set == nil {
		*set = map[uint32]struct{}{}
	}
	(*set)[partition] = struct{}{}
}

// drop forgets what waits in a partition, which begins anew.
func (a *absences) drop(id int) {
	for _, one := range a.of {
		maps.DeleteFunc(one.tokens, func(t engine.Token, _ struct{}) bool { return int(t.Partition) == id })
	}
}

// found is the work of a partition that somebody has code for now.
type found struct {
	ords []uint64
	all  bool // and more than these
}

// found takes out what a worker has code for, by partition.
func (a *absences) found(w engine.Worker) map[uint32]*found {
	all := map[uint32]*found{}
	in := func(partition uint32) *found {
		if all[partition] == nil {
			all[partition] = &found{}
		}
		return all[partition]
	}
	for k, one := range a.of { // order-free: sorted when it is offered
		if !w.Handles(k.kind, k.name, k.version) {
			continue
		}
		for t := range one.tokens {
			f := in(t.Partition)
			f.ords = append(f.ords, t.Instance)
		}
		for partition := range one.beyond {
			in(partition).all = true
		}
		delete(a.of, k)
	}
	for partition := range a.beyond { // of what code is not known
		in(partition).all = true
	}
	a.beyond = nil
	return all
}

// wake has the partitions hand out work anew, with what was found.
func (n *node) wake(all map[uint32]*found) {
	if n == nil {
		return
	}
	for id, h := range n.hosts {
		work := all[uint32(id)]
		h.do(func(h *host) {
			switch {
			case work == nil:
			case work.all:
				h.upkeep.scan.all()
			default:
				slices.Sort(work.ords)
				h.upkeep.scan.some(slices.Compact(work.ords))
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
	n, found := f.node, f.absent.found(c.w)
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

// miss notes work of a node that nobody has code for. It returns false if that may no
// longer be so, since the feed has changed, and if the node is not the feed's, whose
// notes are about another one.
func (f *feed) miss(n *node, k handler, t engine.Token, version uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version.Load() != version || f.node != n {
		return false
	}
	f.absent.miss(k, t)
	n.keeper.touch() // which mentions it
	return true
}

// waiting reports whether there is work that nobody has code for.
func (f *feed) waiting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.absent.of)+len(f.absent.beyond) > 0
}

// reconnectGrace is for how long after the opening of a hub missing code is not mentioned:
// its workers were cut off with the process before, and have yet to come back.
const reconnectGrace = 10 * time.Second

// logAbsent mentions, once a minute each, the code that is missing.
func (f *feed) logAbsent(now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now-f.since < reconnectGrace {
		return
	}
	for k, a := range f.absent.of {
		if slices.ContainsFunc(f.conns, func(c *conn) bool { return c.w.Handles(k.kind, k.name, k.version) }) {
			continue // by one that leaves: it may be replaced
		}
		if a.logged == 0 || now-a.logged >= time.Minute {
			a.logged = max(now, 1)
			f.e.log.Warn("no handler for "+k.String()+": the work waits until a worker with that code connects", "waiting", a.count())
		}
	}
}

// count is how many items wait, as far as that is known.
func (a *absence) count() string {
	if len(a.beyond) > 0 {
		return fmt.Sprintf("more than %d", len(a.tokens))
	}
	return strconv.Itoa(len(a.tokens))
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
