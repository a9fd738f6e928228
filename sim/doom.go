package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// doom ends what is set aside, with all that it holds. By chance that is too rare:
// what has fallen ill has to be sent something, and to be ended before its nurse comes.
func (c *client) doom(id string) {
	if c.w.often.IntN(3) == 0 {
		c.dismiss(id)
		return
	}
	c.lose(id)
}

// lose starts an orchestration that cannot make its first step, sends it something
// that is held, and purges or terminates it.
func (c *client) lose(id string) {
	w := c.w
	w.poisons.mark(id, w.chaos)
	defer w.poisons.mark(id, false)
	i := c.start(id, "Captive", 0, "free")
	if i == nil {
		return
	}
	i.Want, i.Any, i.Purged = "", true, true
	w.sleep(time.Duration(w.often.IntN(1000)) * time.Millisecond)
	for n := range 1 + w.often.IntN(2) {
		c.raise(i, id, "Free", fmt.Sprint("too late ", n), false)
	}
	if w.often.IntN(2) == 0 && c.purge(id) { // of what is not set aside nothing is purged
		i.Gone, i.Forgotten = true, true
	}
	i.Stopped = c.command("terminate", id, engine.ErrNotFound, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("lost")})
	})
}

// dismiss starts an errand and purges its entity, which cannot apply what comes for
// it: who waits for an answer has to be told.
func (c *client) dismiss(id string) {
	w := c.w
	entity := frails.Key(id).InstanceID()
	w.poisons.mark(entity, w.chaos)
	defer w.poisons.mark(entity, false)
	c.start(id, "Errand", 2, 2)
	w.ledger.Instances[id].Want, w.ledger.Instances[id].Any = "", true
	w.sleep(time.Duration(w.often.IntN(1000)) * time.Millisecond)
	c.purge(entity)
	w.poisons.mark(entity, false)
	c.tend(id, entity)
}

// purge purges an instance and its children. It reports whether that is known to
// have been done.
func (c *client) purge(id string) (done bool) {
	acked := c.command("purge", id, engine.ErrNotFound, func(ctx context.Context, e *netherite.Engine, _ string) error {
		n, err := e.Purge(ctx, id, true)
		done = n > 0
		return err
	})
	return acked && done
}
