//go:build unix

package chaos

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// settle waits until everything that the ledger knows of has ended, audits it, and
// forgets it, here and in the hub, unless it is to be kept.
func (c *client) settle(ctx context.Context, keep bool) {
	l := c.ledger
	for _, e := range l.entries {
		// The books need to know. All others stay in doubt.
		if e.kind == kindTransfer && e.start == unknown {
			c.begin(ctx, e, false)
		}
	}
	list, o := c.list(ctx, true)
	if o != acknowledged {
		return // somebody has said why, or time is over
	}
	if err := l.compare(list); err != nil {
		c.r.violate("%v", err)
		return
	}
	var moved int64
	for _, id := range slices.Sorted(maps.Keys(list)) {
		m := c.finish(ctx, list[id])
		if m == nil {
			return
		}
		amount, err := l.ended(m)
		if err != nil {
			c.r.violate("%v", err)
			return
		}
		moved += amount
	}
	marks, o := c.marks(ctx)
	if o != acknowledged {
		return
	}
	if err := l.marked(&marks); err != nil {
		c.r.violate("%v", err)
		return
	}
	c.r.settled(l, len(list), int(marks.Count()), moved, keep)
	if !keep {
		c.forget(ctx)
	}
}

// finish waits until an orchestration has ended. One whose start is in doubt has
// nobody who sends it what it waits for.
func (c *client) finish(ctx context.Context, m *model.Instance) *model.Instance {
	e := c.ledger.byID[m.ID]
	for !m.Status.Ended() {
		if e != nil && e.start == unknown && (e.kind == kindListen || e.kind == kindCancel) {
			if !c.terminate(ctx, m.ID) {
				return nil
			}
			e.check = func(*model.Instance) (int64, error) { return 0, nil }
		}
		if m.Status == model.Suspended {
			o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error { return hub.Engine().Resume(ctx, m.ID, "go") })
			if o == answered && !errors.Is(err, engine.ErrEnded) {
				c.r.violate("resume %s: %v", m.ID, err)
			}
		}
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
			got, err := hub.Engine().Wait(ctx, m.ID, engine.UntilEnded, engine.GetOptions{Payloads: true})
			if err == nil {
				m = got
			}
			return err
		})
		if o == answered && errors.Is(err, engine.ErrNotFound) && e != nil && e.purge == unknown {
			m.Status = model.Completed // and purged: the request came late
			e.check = func(*model.Instance) (int64, error) { return 0, nil }
			return m
		}
		if o == answered {
			c.r.violate("wait for %s: %v", m.ID, err)
		}
		if o != acknowledged {
			return nil
		}
	}
	return m
}

// forget purges what the ledger knows of.
func (c *client) forget(ctx context.Context) {
	for {
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
			_, err := durable.Purge(ctx, hub, engine.Query{IDPrefix: c.ledger.prefix})
			return err
		})
		if o == answered {
			c.r.violate("purge %s: %v", c.ledger.prefix, err)
		}
		if o != acknowledged {
			return
		}
		list, o := c.list(ctx, false)
		if o != acknowledged {
			return
		}
		if len(list) == 0 {
			break
		}
		for id := range list {
			if e := c.ledger.byID[id]; e == nil || e.start != unknown {
				c.r.violate("%s is there after a purge of everything, %s", id, list[id].Status)
				return
			}
			// A start in doubt came late; it ends as the others do.
			if c.finish(ctx, list[id]) == nil {
				return
			}
		}
	}
	key := c.key()
	c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
		return chaos.Marked.Delete().Post(ctx, hub, chaos.Marked.Key(c.ledger.prefix), durable.None{}, key)
	})
}

// sweep looks for what should not be there: orchestrations that no client asked
// for or that were purged, and entities that came back. What was in doubt may have
// come late.
func (c *client) sweep(ctx context.Context) {
	o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
		for m, err := range durable.Query(ctx, hub, engine.Query{PageSize: 500}) {
			if err != nil {
				return err
			}
			if !c.r.expected(m) {
				c.r.violate("%s, %s, is there: nobody asked for it, or it was purged", m.ID, m.Name)
			}
		}
		for rec, err := range chaos.Marked.List(ctx, hub, "") {
			if err != nil {
				return err
			}
			_, key, _ := strings.Cut(rec.Key.InstanceID()[1:], "@")
			if !rec.HasState || c.r.isKept(key) {
				continue
			}
			if err := late(&rec.State, c.r.doubtsOf(key)); err != nil {
				c.r.violate("entity %s was deleted and is there: %v", key, err)
			}
		}
		return nil
	})
	if o != acknowledged {
		c.r.violate("look for what should not be there: %s: %v", o, err)
	}
}
