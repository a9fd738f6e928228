//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// door is the way to the process that has the hub open now, if one has.
type door struct {
	mu      sync.Mutex
	hub     durable.Hub
	client  *owner.Client
	changed chan struct{}
}

// open leads clients to the process that has a directory open.
func (d *door) open(dir string) error {
	c, err := owner.Dial(dir)
	if err != nil {
		return err
	}
	d.set(c, durable.NewHub(c, nil, 0))
	return nil
}

// shut makes clients wait for the next process.
func (d *door) shut() { d.set(nil, nil) }

func (d *door) set(c *owner.Client, hub durable.Hub) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		_ = d.client.Close() // of idle connections: there is nothing to lose
	}
	d.client, d.hub = c, hub
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
}

// wait returns the hub as soon as there is one.
func (d *door) wait(ctx context.Context) (durable.Hub, error) {
	for {
		d.mu.Lock()
		hub, changed := d.hub, d.changed
		d.mu.Unlock()
		if hub != nil {
			return hub, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// classify is what an attempt's error says of the request.
func classify(err error) outcome {
	var dial *net.OpError
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &dial) && dial.Op == "dial":
		return refused // it was never sent
	case errors.Is(err, engine.ErrDiskFull), errors.Is(err, engine.ErrBusy):
		return refused
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrOutcomeUnknown),
		errors.Is(err, owner.ErrNoAnswer), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unknown
	}
	return answered
}

// stuckAfter is how long a request may go without an answer, over all attempts,
// although the longest fault takes a fraction of that.
const stuckAfter = 2 * time.Minute

// client asks for one thing after the other and keeps a ledger.
type client struct {
	r      *run
	name   string
	rng    *rand.Rand
	ledger *ledger
	keys   int
}

// ask makes a request until it is answered; with once, it gives up after the first
// attempt. doubt says that an attempt before the last may have been taken.
func (c *client) ask(ctx context.Context, once bool, request func(context.Context, durable.Hub) error) (o outcome, doubt bool, err error) {
	limited, cancel := context.WithTimeout(ctx, stuckAfter)
	defer cancel()
	for {
		hub, gone := c.r.door.wait(limited)
		if gone != nil {
			err = gone
			break
		}
		attempt, end := context.WithTimeout(limited, between(c.rng, 200*time.Millisecond, 5*time.Second))
		err = request(attempt, hub)
		end()
		switch o := classify(err); o {
		case acknowledged, answered:
			return o, doubt, err
		case unknown:
			doubt = true
		case refused:
			c.r.refusal(err)
		}
		if once {
			break
		}
		if pause(limited, between(c.rng, time.Millisecond, 30*time.Millisecond)); limited.Err() != nil {
			break
		}
	}
	if limited.Err() != nil && ctx.Err() == nil {
		c.r.violate("%s: a request got no answer for %v; the last attempt: %v", c.name, stuckAfter, err)
	}
	if doubt {
		return unknown, true, err
	}
	return refused, false, err
}

// key is a request key that no other request has.
func (c *client) key() durable.RequestKey {
	c.keys++
	return durable.RequestKey(fmt.Sprintf("%s/%d", c.name, c.keys))
}

// givesUp draws whether a request is made once only.
func (c *client) givesUp() bool { return c.rng.IntN(3) == 0 }

// live does things until ctx ends, and settles what it did now and then, and at
// the end.
func (c *client) live(ctx, whole context.Context) {
	for generation := 0; ; generation++ {
		c.ledger = newLedger(fmt.Sprintf("%s-%d-", c.name, generation))
		for range c.r.perLedger {
			if ctx.Err() != nil || whole.Err() != nil {
				break
			}
			c.act(whole)
			if c.r.pace > 0 {
				pause(ctx, between(c.rng, 0, 2*c.r.pace))
			}
		}
		last := ctx.Err() != nil
		c.settle(whole, last)
		if last || whole.Err() != nil {
			return
		}
	}
}
