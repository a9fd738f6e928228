package sim

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// poisonRate is of how many inputs one cannot be applied, in the runs with Poison.
const poisonRate = 200

// cannotApply is what the core panics with.
const cannotApply = "the core cannot apply this"

// poisons are the instances for which the core cannot apply what comes: entities of
// errands, until their clients have mended them, and, for a while, whoever an input
// drawn by lot is for.
type poisons struct {
	rand   *rand.Rand // for nothing else: runs without the fault never ask it
	ill    map[string]illness
	aside  map[string]int // how often an instance was set aside
	nurses map[string]bool
	nurse  int             // the number of the last
	asked  map[string]bool // whom somebody asks to be rewound
	tried  map[string]bool // whom somebody has had tried again
}

// illness is how much of what comes for an instance cannot be applied.
type illness uint8

const (
	well     illness = iota
	unlucky          // what comes while it is not set aside, and what a retry applies
	hopeless         // all that comes
)

func newPoisons(r *rand.Rand) poisons {
	return poisons{rand: r, ill: map[string]illness{}, aside: map[string]int{}, nurses: map[string]bool{}, asked: map[string]bool{}, tried: map[string]bool{}}
}

// mark makes an instance hopeless or well.
func (s *poisons) mark(id string, ill bool) {
	if delete(s.ill, id); ill {
		s.ill[id] = hopeless
	}
}

// cure makes all instances well.
func (s *poisons) cure() { clear(s.ill) }

// spoil panics if the core cannot apply an event.
func (w *world) spoil(p *process, id int, ev partition.Event) {
	if e, ok := ev.(*partition.Quarantined); ok {
		w.setAside(p, id, e)
		return
	}
	if !w.chaos || !w.plan.has(Poison) {
		return
	}
	switch ev.(type) {
	case *partition.Received, *partition.StepDone, *partition.EntityDone, *partition.TaskDone, *partition.TimersFired:
		for _, k := range ev.Keys(nil) {
			if who, aside := p.eng.Subject(id, k); who != "" {
				w.panicIf(who, w.falls(who), aside)
			}
		}
	}
}

// spoilMessage panics if the core cannot apply a message.
func (w *world) spoilMessage(m *model.Message) {
	if w.chaos && w.plan.has(Poison) {
		w.panicIf(m.To, w.falls(m.To), false)
	}
}

// falls draws whether an instance falls ill, and returns how ill it is.
func (w *world) falls(id string) illness {
	s := &w.poisons
	if s.ill[id] == well && s.rand.IntN(poisonRate) == 0 {
		s.ill[id] = unlucky + illness(s.rand.IntN(2))
		w.after(time.Duration(s.rand.IntN(5000))*time.Millisecond, func() { delete(s.ill, id) })
	}
	return s.ill[id]
}

func (w *world) panicIf(id string, ill illness, aside bool) {
	if ill == hopeless || ill == unlucky && !aside {
		w.fault(Poison, "poison", uint64(ill), digest(id))
		panic(cannotApply)
	}
}

// isPoisoned reports whether a request has failed as what follows from it could not
// be applied. Nothing of it was done.
func isPoisoned(err error) bool {
	return errors.Is(err, engine.ErrUnavailable) && strings.HasSuffix(err.Error(), cannotApply)
}

// setAside has a nurse see to an instance that is set aside.
func (w *world) setAside(p *process, partition int, e *partition.Quarantined) {
	id, _ := p.eng.Subject(partition, e.Instance)
	s := &w.poisons
	s.aside[id]++
	if s.nurses[id] || strings.HasPrefix(id, frails.Key("").InstanceID()) {
		return
	}
	s.nurses[id] = true
	s.nurse++
	c := &client{w: w, nr: 10_000 + s.nurse}
	w.spawn("nurse", nil, func() { c.nurse(id) })
}

// nurse has an instance tried again until it is not set aside any more.
func (c *client) nurse(id string) {
	w := c.w
	s := &w.poisons
	w.sleep(time.Duration(s.rand.IntN(3000)) * time.Millisecond)
	for w.failure == nil {
		seen := s.aside[id]
		if !c.retry(id) && s.aside[id] == seen {
			break
		}
		w.sleep(time.Second)
	}
	delete(s.nurses, id)
}

// retry has an instance tried again if it is set aside. It reports whether it was.
func (c *client) retry(id string) (aside bool) {
	var set *model.Instance
	c.command("look at", id, engine.ErrNotFound, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		set, err = e.Get(ctx, id, engine.GetOptions{Waits: true})
		return err
	})
	if set == nil || set.Waits == nil || set.Waits.Quarantine == nil {
		return false
	}
	c.w.checkReason(id, set.Waits.Quarantine)
	c.w.poisons.tried[id] = true
	err := c.askToRewind("retry", id)
	switch {
	case err == nil, errors.Is(err, engine.ErrQuarantined), errors.Is(err, errUnknown):
		return true
	case !errors.Is(err, engine.ErrNotFailed) && !errors.Is(err, engine.ErrNotFound):
		c.w.fail("client: retry of %q: %w", id, err)
	}
	return false // one that has ended meanwhile only tells of it
}

// askToRewind asks for it when nobody else does: such a request has no key, so that
// two of them could not be told apart by what they have to wait for.
func (c *client) askToRewind(what, id string) error {
	s := &c.w.poisons
	for s.asked[id] {
		c.w.sleep(100 * time.Millisecond)
	}
	s.asked[id] = true
	defer delete(s.asked, id)
	if i := c.w.ledger.Instances[id]; i != nil {
		i.Rewound = true
	}
	return c.request(what, id, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Rewind(ctx, id, "mended") })
}

// rewind rewinds a failed orchestration. One that is set aside is only tried again
// by that, so it takes one more.
func (c *client) rewind(id string) {
	w := c.w
	for w.failure == nil {
		err := c.askToRewind("rewind", id)
		if err != nil && !errors.Is(err, engine.ErrQuarantined) {
			c.expect("rewind", id, engine.ErrNotFailed, err)
			return
		}
		if !w.plan.has(Poison) {
			return
		}
		if got := c.see(id); got == nil || got.Status != model.Failed {
			return
		}
		w.sleep(time.Second)
	}
}

// retryAll has all instances tried again that may be set aside.
func (c *client) retryAll(ids map[string]int) {
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		for c.w.failure == nil && c.retry(id) {
			c.w.sleep(time.Second)
		}
	}
}

// checkReason checks that who is set aside says why, and what could not be applied.
func (w *world) checkReason(id string, f *model.Failure) {
	if f.Type != model.FailureQuarantined || f.Message != cannotApply || len(f.Properties["event"]) == 0 || len(f.Properties["retry"]) == 0 {
		w.fail("quarantine: %q is set aside, and does not say why and by what: %w, %q", id, f, f.Properties)
	}
}
