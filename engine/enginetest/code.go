package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/netherite-go/netherite/durable"
)

// code is the code of a hub's worker, with what its activities have outside of
// the engine. It survives crashes of the engine.
type code struct {
	mu    sync.Mutex
	table map[string]int  // rows by key, with how often each was written
	bad   map[string]bool // keys for which flaky activities fail
	held  map[string]*hold
	freed bool
}

// hold is a place where activities stop until they are let go.
type hold struct {
	began chan struct{} // one for every run
	open  chan struct{}
}

func newCode() *code {
	return &code{table: map[string]int{}, bad: map[string]bool{}, held: map[string]*hold{}}
}

// release lets everything go that is held, for good.
func (c *code) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freed = true
	for _, h := range c.held { // order-free: nobody sees the order
		select {
		case <-h.open:
		default:
			close(h.open)
		}
	}
}

// at returns the place of a name.
func (c *code) at(name string) *hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[name]
	if h == nil {
		h = &hold{began: make(chan struct{}, 1000), open: make(chan struct{})}
		if c.freed {
			close(h.open)
		}
		c.held[name] = h
	}
	return h
}

// spoil makes the flaky activities of a key fail, or no longer.
func (c *code) spoil(key string, bad bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad[key] = bad
}

// written is how often a row of the table was written.
func (c *code) written(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table[key]
}

// add writes a row.
func (c *code) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table[key]++
}

// The activities of which the code is here; those without state carry theirs.
var (
	writeRow = durable.DeclareActivity[string, durable.None]("WriteRow")
	flaky    = durable.DeclareActivity[string, string]("Flaky")
	wait     = durable.DeclareActivity[string, string]("Wait")

	echo  = durable.Activity("Echo", func(_ context.Context, in durable.Raw) (durable.Raw, error) { return in, nil })
	hello = durable.Activity("Hello", func(_ context.Context, name string) (string, error) { return "Hello, " + name + "!", nil })
	fail  = durable.Activity("Fail", func(_ context.Context, text string) (durable.None, error) {
		return durable.None{}, errors.New(text)
	})
)

// handlers lists all code. Scenarios of versions serve lists of their own.
func (c *code) handlers() []durable.Handler {
	all := []durable.Handler{
		writeRow.By(func(_ context.Context, key string) (durable.None, error) {
			c.add(key)
			return durable.None{}, nil
		}),
		flaky.By(func(_ context.Context, key string) (string, error) {
			c.add(key)
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.bad[key] {
				return "", fmt.Errorf("%s is broken", key)
			}
			return key + " works", nil
		}),
		wait.By(func(ctx context.Context, name string) (string, error) {
			h := c.at(name)
			c.add(name)
			select {
			case h.began <- struct{}{}:
			default: // nobody counts that far
			}
			select {
			case <-h.open:
				return name + " is over", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}),
		echo, hello, fail,
	}
	for _, part := range [][]durable.Handler{
		simpleCode, eventCode, timerCode, failureCode, bankCode, payloadCode, rewindCode, entityCode, crashCode,
	} {
		all = append(all, part...)
	}
	return all
}
