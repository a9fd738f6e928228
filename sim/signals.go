package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// probe has an account look whether somebody is in a critical section with it,
// who must not be disturbed.
func (c *client) probe() {
	for range 3 {
		entity := accounts.Key(fmt.Sprint(c.w.work.IntN(c.w.plan.accounts))).InstanceID()
		c.command("probe", entity, nil, func(ctx context.Context, e *netherite.Engine, key string) error {
			return e.Signal(ctx, engine.SignalRequest{Entity: entity, Operation: "Probe", Key: key})
		})
	}
}

func (c *client) post(entity, op string) {
	w := c.w
	w.ledger.Post(entity, op, false)
	var at model.Time
	if w.work.IntN(3) == 0 {
		due := w.wall().Add(time.Duration(w.work.IntN(20_000)) * time.Millisecond)
		at = model.TimeOf(due)
		if due.After(w.latest) {
			w.latest = due
		}
	}
	err := c.request("post", entity, func(ctx context.Context, e *netherite.Engine, key string) error {
		return e.Signal(ctx, engine.SignalRequest{Entity: entity, Operation: "Post", Input: encode(op), At: at, Key: key})
	})
	if c.late {
		w.ledger.Repeated(entity, op)
	}
	switch {
	case err == nil:
		w.ledger.Post(entity, op, true)
	case !errors.Is(err, errUnknown):
		w.fail("client: post to %q: %w", entity, err)
	}
}
