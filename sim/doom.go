package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// doom has something set aside that holds several messages, for long, or ends it with
// them. By chance that is too rare: what has fallen ill has to be sent something, and
// not to be tried again before it is stored, or ended.
func (c *client) doom(id string) {
	switch c.w.often.IntN(4) {
	case 0:
		c.ail(id)
	case 1:
		c.dismiss(id)
	default:
		c.lose(id)
	}
}

// ail starts an errand whose entity holds all calls but the first one behind that, for
// so long that there is likely to be a checkpoint, and a recovery from it.
func (c *client) ail(id string) {
	w := c.w
	entity := frails.Key(id).InstanceID()
	w.poisons.mark(entity, w.chaos)
	c.start(id, "Errand", -3, 3)
	w.sleep(time.Duration(w.often.IntN(20_000)) * time.Millisecond)
	w.poisons.mark(entity, false)
	c.tend(id, entity)
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
