package netherite

import (
	"fmt"

	"github.com/netherite-go/netherite/engine"
)

// A panic says that something which must hold does not. While an input is being
// applied, that input is to blame, and is set aside (quarantine.go). Anywhere else
// nobody can say what is: the partition parks, with all that it has not appended
// given up, and the others go on.

// guarded runs f and turns a panic into an error that parks a partition.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			loud(r)
			p := panicFailure(r)
			err = fmt.Errorf("%w: panic: %s\n%s", engine.ErrDamaged, p.Message, p.Stack)
		}
	}()
	return f()
}

// guardedRead runs what decodes stored bytes for a client, in its goroutine.
func guardedRead(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = internal(panicFailure(r))
		}
	}()
	return f()
}

// loud lets the differences pass that the replay checker finds: they are for
// tests, and nothing may cover them up.
func loud(r any) {
	if _, difference := r.(replayDifference); difference {
		panic(r)
	}
}

// processOrPark is process, with the partition parked by what panics outside of
// an input.
func (h *host) processOrPark(in []input) {
	defer func() {
		if r := recover(); r != nil {
			loud(r)
			h.parkPanicked(r)
		}
	}()
	h.process(in)
}

// parkPanicked parks the partition in the middle of a batch. What was appended
// before is in the log as a whole and its answers come when it is durable; all
// others are told that the partition is unavailable.
func (h *host) parkPanicked(r any) {
	f := panicFailure(r)
	h.n.e.metrics.panics.Add(1)
	h.log.Error("panic in the partition outside of an input", "panic", f.Message, "stack", f.Stack)
	h.park(internal(f))
	err := h.parked.Load().err
	h.giveUp(err)
	if re := h.rebuild; re != nil {
		h.rebuild = nil
		h.turnAway(append(re.deferred, re.poison), err)
	}
}

// standDown gives up a parked partition's claims on slots of workers, which
// others wait for.
func (h *host) standDown() {
	for _, r := range h.hands.rounds {
		it := &r.items
		for kind, unsent := range [...]int{len(it.Orchestrations), len(it.Activities), len(it.Entities)} {
			h.call(r.a.kinds[kind].settle(h.id, r.taken[kind]+unsent))
			r.taken[kind] = 0
		}
		*it = engine.Items{}
	}
	for _, c := range h.n.e.feed.all() {
		if a := c.at.Load(); a != nil && a.n == h.n {
			for kind := range a.kinds {
				h.call(a.kinds[kind].settle(h.id, 0))
			}
		}
	}
}
