package remote

import (
	"context"
	"sync"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// A worker that closes may have something to end that takes long. It tells the server,
// which gives what comes to others. Until the server has answered, what the worker
// declines is kept: given back at once, it might come again. A server that has no ear for
// it, of an earlier version or another make, has it back with the connection.

// leaving is what a connection knows of that.
type leaving struct {
	offers   sync.Mutex // held while items are offered
	drains   bool       // the worker takes nothing more
	left     bool       // the server knows
	declined []declined // until it does
	telling  sync.WaitGroup
}

// declined is an item that the worker has not begun.
type declined struct {
	kind  engine.ItemKind
	token engine.Token
}

// Drain implements engine.Drainer.
func (c *connection) Drain() {
	c.offers.Lock()
	c.drains = true
	c.offers.Unlock()
	c.leave()
}

// draining reports whether the worker takes nothing more.
func (c *connection) draining() bool {
	c.offers.Lock()
	defer c.offers.Unlock()
	return c.drains
}

// leave tells the server, in the background.
func (c *connection) leave() {
	if c.standard {
		return // there are no words for it
	}
	c.telling.Go(func() {
		understood := false
		err := c.call(c.ctx, "leave", sending, func(ctx context.Context, _ bool) error {
			q := &wire.AbandonActivityTaskRequest{}
			extra.Put(q, &extra.Leave{Stream: c.name})
			r, err := c.api.AbandonTaskActivityWorkItem(ctx, q, again)
			understood = extra.Get(r, &extra.Leave{})
			return passingIfBusy(err)
		})
		if err == nil && understood {
			c.leaves()
		}
	})
}

// leaves gives back what was kept, now that the server knows.
func (c *connection) leaves() {
	c.offers.Lock()
	defer c.offers.Unlock()
	c.left = true
	for _, d := range c.declined {
		c.decline(d)
	}
	c.declined = nil
}

// Decline implements engine.Drainer.
func (c *connection) Decline(kind engine.ItemKind, t engine.Token) {
	c.offers.Lock()
	defer c.offers.Unlock()
	c.decline(declined{kind, t})
}

// decline gives an item back, or keeps it. The mutex is held.
func (c *connection) decline(d declined) {
	if c.left {
		_ = c.Abandon(d.kind, d.token, 0) // it may be stale, which is all the same
		return
	}
	c.declined = append(c.declined, d)
}
