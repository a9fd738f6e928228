package durable

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// EventOf is a handle of an external event: something that a running
// orchestration is told by name. Names are compared without case. Events that
// nobody waits for are kept, first in, first out, also over continue-as-new.
type EventOf[T any] struct{ name string }

// Event declares an external event.
func Event[T any](name string) *EventOf[T] { return &EventOf[T]{name: name} }

// Name returns the event's name.
func (e *EventOf[T]) Name() string { return e.name }

// Wait blocks until the next event comes, or has come already, and returns what
// it carries. After the timeout it gives up with ErrTimeout; Forever is none,
// zero or less takes only what has come already.
func (e *EventOf[T]) Wait(ctx *Context, timeout time.Duration) (T, error) {
	var none T
	if timeout <= 0 && !ctx.x.Buffered(e.name) {
		return none, ErrTimeout
	}
	next := e.Next(ctx)
	if timeout == Forever || next.Done() {
		return next.Await()
	}
	late := Timer(ctx, timeout)
	switch i, err := First(ctx, next, late); {
	case i < 0:
		return none, err
	case i == 1:
		return none, fmt.Errorf("event %s did not come within %v: %w", e.name, timeout, ErrTimeout)
	}
	return next.Await()
}

// Next returns a future of the next event that is not promised to an earlier one.
func (e *EventOf[T]) Next(ctx *Context) *Future[T] {
	f := newFuture[T](ctx, "event "+e.name)
	ctx.x.Expect(&f.op, e.name)
	return f
}

// Send sends the event to an orchestration from within a workflow. Whether that
// exists is not told: the event is dropped if not.
func (e *EventOf[T]) Send(from Sender, instance string, v T) error {
	payload, err := encode(from.environment(), "event "+e.name, v)
	if err != nil {
		return err
	}
	if err := validOrchestrationID(instance); err != nil {
		return err
	}
	if err := model.ValidateName("event", e.name); err != nil {
		return err
	}
	from.act(model.Event{Kind: model.EventSent, Instance: instance, Name: e.name, Payload: payload})
	return nil
}

// Raise sends the event to an orchestration from outside of any workflow. When it
// returns, the event is durable. The error wraps engine.ErrNotFound if there is no
// such instance; one that has ended takes it without effect.
func (e *EventOf[T]) Raise(ctx context.Context, hub Hub, instance string, v T, opts ...RequestOption) error {
	payload, err := encodeFor(hub, "event "+e.name, v)
	s, wrong := requestSettings(opts)
	if err = cmp.Or(err, wrong); err != nil {
		return fmt.Errorf("raise event %s for %q: %w", e.name, instance, err)
	}
	key := requestKey(ctx, s.key, &worker.Request{Operation: "raise", Target: instance, Name: e.name, Payload: payload})
	err = hub.Engine().Raise(ctx, engine.RaiseRequest{Instance: instance, Event: e.name, Payload: payload, Key: key})
	if err != nil {
		return fmt.Errorf("event %s: %w", e.name, err) // which says that it was raised, and for whom
	}
	return nil
}
