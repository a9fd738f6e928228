package durable

import (
	"log/slog"
	"time"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// EntityContext is the access of an entity's operation to the world. It is good
// until the operation returns. What it sends leaves if the operation succeeds.
type EntityContext struct{ call *worker.EntityCall }

// ID returns the entity's type, in lower case, and key.
func (c *EntityContext) ID() model.EntityID {
	id, err := model.ParseEntityID(c.call.Item.Instance)
	if err != nil {
		return model.EntityID{Key: c.call.Item.Instance}
	}
	return id
}

// Key returns the entity's key.
func (c *EntityContext) Key() string { return c.ID().Key }

// Operation returns the operation's name as it was asked for.
func (c *EntityContext) Operation() string { return c.call.Event.Name }

// Caller returns the instance ID of the orchestration that called or signalled,
// or "" for a client or another entity.
func (c *EntityContext) Caller() string {
	if p := c.call.Event.Extra().Parent; p != nil {
		return p.Instance
	}
	return ""
}

// Now returns the time of the batch that the operation is in: it does not move
// during the batch, and never back.
func (c *EntityContext) Now() time.Time { return c.call.Item.Now.Std() }

// Delete removes the entity's state when the operation has succeeded.
func (c *EntityContext) Delete() { c.call.Delete = true }

// Logger logs with the entity's ID and the operation. An operation may run again
// after a crash, and log again.
func (c *EntityContext) Logger() *slog.Logger {
	return loggerOf(c.call.Env).With("entity", c.call.Item.Instance, "operation", c.call.Event.Name)
}

// act implements Sender.
func (c *EntityContext) act(ev model.Event) bool { return c.call.Send(ev) }

// environment implements Sender.
func (c *EntityContext) environment() *worker.Env { return c.call.Env }

// checkSignal implements Sender.
func (c *EntityContext) checkSignal(string) error { return nil }

// trace implements Sender.
func (c *EntityContext) trace() *model.Trace { return c.call.Trace() }

// describeChild implements Sender.
func (c *EntityContext) describeChild(s *callSettings) (id string, tags map[string]string, trace *model.Trace) {
	return s.id, s.tags, c.call.Trace()
}
