package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/engine"
)

// What a work item came to must not be lost as long as the server counts the item as
// this worker's: nobody else would be given it.

// refusedPause is after how long an item is offered again whose result was refused.
const refusedPause = time.Second

// deliver sends a result until the server has it, or the item is not this
// worker's any more.
func (c *connection) deliver(r *result) {
	ctx := c.held.current(r.item)
	if ctx == nil {
		return
	}
	// Most results are delivered at once. The call ends with the stream at the
	// latest, and with it what the result is for.
	err := c.send(ctx, r)
	if err == nil || errors.Is(c.explain(err), engine.ErrStale) || c.held.current(r.item) == nil {
		return
	}
	err = c.handIn(r)
	if r.message() == nil && c.draining() {
		return // it is given back with the connection at the latest, and what runs goes on
	}
	if c.delivered(r, err) {
		return
	}
	if back := (&result{item: r.item, after: refusedPause}); r.message() != nil && c.delivered(back, c.handIn(back)) {
		return
	}
	c.held.breakOff(r.item)
}

// delivered reports whether there is nothing left to do about a result.
func (c *connection) delivered(r *result, err error) bool {
	if err == nil || errors.Is(err, engine.ErrStale) || c.ctx.Err() != nil || c.held.current(r.item) == nil {
		return true
	}
	says := "what a work item came to was refused, so it is given back"
	if r.message() == nil {
		says = "a work item could not be given back, so this worker asks for work again"
	}
	c.log.Warn(says, "kind", r.item.kind.String(), "instance", r.item.instance, "error", err)
	return false
}

// handIn sends a result again and again, unless it is refused for good.
func (c *connection) handIn(r *result) error {
	return c.call(c.ctx, "complete", sending, func(ctx context.Context, _ bool) error {
		if c.held.current(r.item) == nil {
			return engine.ErrStale
		}
		err := c.send(ctx, r)
		if size, limit, is := tooLarge(err); is && r.message() != nil && translate.TooLarge(r.message(), size, limit) {
			err = c.send(ctx, r)
		}
		return passingIfBusy(err)
	})
}

// passingIfBusy makes a refusal for how much is asked at a time one that passes.
func passingIfBusy(err error) error {
	if s := status.Convert(err); s.Code() == codes.ResourceExhausted {
		return status.Error(codes.Unavailable, s.Message())
	}
	return err
}

// tooLarge reports whether a message was refused for its size, and the sizes. It is
// gRPC that says so, before a server sees the message.
func tooLarge(err error) (size, limit int64, is bool) {
	s := status.Convert(err)
	_, sizes, is := strings.Cut(s.Message(), "message larger than max (")
	if s.Code() != codes.ResourceExhausted || !is {
		return 0, 0, false
	}
	_, err = fmt.Sscanf(sizes, "%d vs. %d)", &size, &limit)
	return size, limit, err == nil
}

// message is what is sent of an item; nil if it is given back.
func (r *result) message() proto.Message {
	switch {
	case r.step != nil:
		return r.step
	case r.activity != nil:
		return r.activity
	case r.entity != nil:
		return r.entity
	}
	return nil
}

// breakOff ends the stream of an item, with which all that came by it is offered again.
func (h *held) breakOff(i *item) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i.generation == h.generation {
		h.end()
	}
}
