package bench

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/netherite-go/netherite/durable"
)

// Tally is the state of the Counter workload's entity.
type Tally struct {
	N int64 `json:"n"`
}

// Add counts up.
func (t *Tally) Add(_ *durable.EntityContext, n int64) (int64, error) {
	t.N += n
	return t.N, nil
}

// Get reads the count.
func (t *Tally) Get(*durable.EntityContext) (int64, error) { return t.N, nil }

var (
	tallies  = durable.Entity[Tally]("Tally")
	tallyAdd = durable.Operation(tallies, "Add", (*Tally).Add)
	_        = durable.Getter(tallies, "Get", (*Tally).Get)
)

// counter is acknowledged signals to one entity, with a read now and then: a
// read includes every signal that was acknowledged before it.
type counter struct {
	key  string
	sent atomic.Int64 // acknowledged signals
}

func newCounter() *counter { return &counter{} }

func (*counter) handlers() []durable.Handler { return []durable.Handler{tallies} }

func (c *counter) setup(_ context.Context, e *env) error {
	c.key = e.runID
	return nil
}

// readEvery is of how many signals one, the first of all among them, is followed
// by a read.
const readEvery = 10_000

func (c *counter) op(ctx context.Context, e *env, _, n int) (int64, error) {
	if err := tallyAdd.Post(ctx, e.hub, tallies.Key(c.key), 1); err != nil {
		return 0, err
	}
	acknowledged := c.sent.Add(1)
	if n%readEvery != 0 {
		return 1, nil
	}
	t, _, err := tallies.Read(ctx, e.hub, tallies.Key(c.key))
	if err == nil && t.N < acknowledged {
		err = fmt.Errorf("counter: a read says %d after %d signals were acknowledged", t.N, acknowledged)
	}
	return 1, err
}

// check waits until the entity has applied every acknowledged signal, no more.
func (c *counter) check(ctx context.Context, e *env) error {
	for {
		t, _, err := tallies.Read(ctx, e.hub, tallies.Key(c.key))
		if err != nil {
			return err
		}
		if want := c.sent.Load(); t.N > want {
			return fmt.Errorf("counter: %d signals were applied, only %d sent", t.N, want)
		} else if t.N == want {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("counter: %d of %d signals applied: %w", t.N, c.sent.Load(), ctx.Err())
		}
		pause(ctx, pollInterval)
	}
}
