package netherite

import (
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
)

// settle takes an item back from the worker, of whatever hand-out or of that one
// only. The error is that it is not (or no longer) this connection's.
func (c *conn) settle(kind engine.ItemKind, t engine.Token, whatever bool) (*attachment, *host, error) {
	a := c.at.Load()
	if a == nil || int(t.Partition) >= len(a.shards) {
		return nil, nil, c.stale(kind, t)
	}
	s, item := &a.shards[t.Partition], t
	item.HandOut = 0
	s.mu.Lock()
	o, ok := s.items[item]
	if ok = ok && o.kind == kind && (whatever || o.number == t.HandOut); ok {
		delete(s.items, item)
	}
	s.mu.Unlock()
	h := a.n.hosts[t.Partition]
	if !ok && !planted.ResultFromAnyone {
		return nil, h, c.stale(kind, t)
	}
	return a, h, nil
}

func (c *conn) stale(kind engine.ItemKind, t engine.Token) error {
	if c.closed.Load() {
		mark.Hit(mark.ConnectionClosed)
		return fmt.Errorf("complete %s: connection is closed: %w", kind, engine.ErrStale)
	}
	mark.Hit(mark.ResultStale)
	return fmt.Errorf("complete %s %d of partition %d: %w", kind, t.Instance, t.Partition, engine.ErrStale)
}

// free gives the item's slot back, after its outcome is in the mailbox.
func (a *attachment) free(kind engine.ItemKind, n int) {
	if next := a.kinds[kind].put(n); next >= 0 {
		a.n.hosts[next].poke()
	}
	a.n.returned(kind, n)
}

// CompleteOrchestration implements engine.Connection.
func (c *conn) CompleteOrchestration(r *engine.OrchestrationResult) error {
	a, h, err := c.settle(engine.OrchestrationKind, r.Token, true)
	if err != nil {
		if planted.IgnoreEpochOnReceive && h != nil {
			h.post(input{ev: stepDone(r)})
		}
		return err
	}
	c.f.e.boundOrchestration(r)
	h.post(input{ev: stepDone(r)})
	a.free(engine.OrchestrationKind, 1)
	return nil
}

// CompleteActivity implements engine.Connection.
func (c *conn) CompleteActivity(r *engine.ActivityResult) error {
	a, h, err := c.settle(engine.ActivityKind, r.Token, true)
	if err != nil {
		if planted.IgnoreEpochOnReceive && h != nil {
			h.post(input{ev: taskDone(r)})
		}
		return err
	}
	c.f.e.boundActivity(r)
	h.post(input{ev: taskDone(r)})
	a.free(engine.ActivityKind, 1)
	return nil
}

// CompleteEntity implements engine.Connection. A batch that could not run at
// all is offered again after a while.
func (c *conn) CompleteEntity(r *engine.EntityResult) error {
	if r.Failure != nil || len(r.Results) == 0 {
		return c.Abandon(engine.EntityKind, r.Token, abandonDelay)
	}
	if err := c.f.e.checkEntityResult(r); err != nil {
		return fmt.Errorf("complete entity: %w", err) // it stays with the worker
	}
	a, h, err := c.settle(engine.EntityKind, r.Token, true)
	if err != nil {
		return err
	}
	h.post(input{ev: &partition.EntityDone{Ord: r.Token.Instance, Handout: r.Token.Name.Number, Result: r}})
	a.free(engine.EntityKind, 1)
	return nil
}

// countAgain counts an activity that was with a worker and is offered again.
func (f *feed) countAgain(kind engine.ItemKind) {
	if kind == engine.ActivityKind {
		f.e.metrics.offeredAgain.Add(1)
	}
}

// Abandon implements engine.Connection. A run that a node has cancelled as it ended
// may be given back when the next node has handed the activity out again: that
// run goes on.
func (c *conn) Abandon(kind engine.ItemKind, t engine.Token, after time.Duration) error {
	a, h, err := c.settle(kind, t, false)
	if err != nil {
		return err
	}
	mark.Hit(mark.ItemAbandoned)
	c.f.countAgain(kind)
	if after > 0 {
		a.n.clock.AfterFunc(after, func() { h.do(func(h *host) { h.again(kind, t) }) })
	} else {
		h.do(func(h *host) { h.abandon(kind, t) })
	}
	a.free(kind, 1)
	return nil
}
