package partition

import (
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// quiesce ends all orchestrations and lets everything that is under way arrive.
func (c *chaos) quiesce() {
	for round := 0; ; round++ {
		if round > 200 {
			c.h.failed("the hub does not come to rest")
		}
		before := len(c.h.log)
		c.h.now = c.h.now.Add(time.Minute)
		for _, p := range c.h.parts {
			p.applied()
			for _, ord := range sortedOrds(p.replica) {
				inst := p.replica.byOrd[ord]
				if inst != nil && inst.quarantine != nil && (inst.holds || !inst.ended()) && (inst.isEntity() || c.one("retry", 2)) {
					p.apply(&Command{Op: OpRewind, Instance: inst.id})
				}
				if inst = p.replica.byOrd[ord]; inst != nil && !inst.ended() && !inst.isEntity() {
					p.apply(&Command{Op: OpTerminate, Instance: inst.id})
				}
			}
			p.fire(1000)
			p.dispatch(1000)
			for id, item := range p.entities { // order-free: all of them are run
				delete(p.entities, id)
				p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.EntityResult{
					Token: item.Token, Now: item.Now, State: item.State, Results: make([]engine.OperationResult, len(item.Operations)),
				}})
			}
			p.send()
		}
		c.deliver(1 << 30)
		for _, p := range c.h.parts {
			p.acknowledge()
		}
		if len(c.h.log) == before && len(c.h.net) == 0 {
			return
		}
	}
}

// checkEnd holds that at rest nothing is locked, nothing waits, nothing was lost
// and nothing was done twice.
func (c *chaos) checkEnd() {
	for _, p := range c.h.parts {
		c.checkHistories(p)
		c.checkQuery(p)
		for _, ord := range sortedOrds(p.replica) {
			inst := p.replica.byOrd[ord]
			if ent := inst.entity; ent != nil && (ent.section != "" || len(ent.backlog)+len(inst.inbox)+len(inst.held) > 0) {
				c.h.failed("at rest, but not %s", showInstance(p.replica, ord))
			}
			if !inst.isEntity() && !inst.ended() {
				c.h.failed("at rest, but %s still runs", inst.id)
			}
		}
		for dest := range p.state.outbox {
			first, next := p.state.OutboxRange(dest)
			if seen := c.h.parts[dest].state.Seen(p.id); first != next || dest != p.id && seen+1 != next {
				c.h.failed("p%d retains %d to %d for p%d, which has seen %d", p.id, first, next, dest, seen)
			}
		}
	}
	asked, done := c.operations()
	for i := range asked {
		if asked[i] != done[i] {
			c.h.failed("p%d: %d operations were sent to its entities, %d ran", i, asked[i], done[i])
		}
	}
}

// operations counts, in the log, the operations that were sent to the entities of
// each partition, and those that ran.
func (c *chaos) operations() (asked, done []int) {
	asked, done = make([]int, len(c.h.parts)), make([]int, len(c.h.parts))
	count := func(events []model.Event) {
		for i := range events {
			if isOperation(events[i].Kind) {
				asked[c.h.part(events[i].Instance).id]++
			}
		}
	}
	for _, rec := range c.h.log {
		chunk, err := ReadChunk(model.NewReader(rec.chunk))
		if err != nil {
			c.Fatal(err)
		}
		in, _, err := chunk.Next()
		if err != nil {
			c.Fatal(err)
		}
		switch e := in.Event.(type) {
		case *StepDone:
			count(e.Result.Events)
		case *EntityDone:
			count(e.Result.Events)
			done[rec.part] += len(e.Result.Results)
		case *Command:
			if e.Op == OpSignal {
				asked[rec.part]++
			}
		}
	}
	return asked, done
}
