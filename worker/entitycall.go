package worker

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// EntityCall is one operation that runs, and what it asks for.
type EntityCall struct {
	Env  *Env
	Item *engine.EntityItem
	// Event is the operation: an EntitySignaled or EntityCalled.
	Event *model.Event
	// Delete, set by the operation, removes the state once it has succeeded.
	Delete bool

	batch *entityBatch
	ended bool
}

// Send adds an outgoing event, which is dropped if the operation fails. It
// reports false, with no effect, after the operation has ended.
func (c *EntityCall) Send(ev model.Event) bool {
	if c.ended {
		return false
	}
	ev.ID = int32(len(c.batch.events))
	c.batch.events = append(c.batch.events, ev)
	return true
}
