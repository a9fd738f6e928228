package durabletask

import (
	"context"
	"errors"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// maxAhead is how long before its caller's deadline a wait ends at most.
const maxAhead = 100 * time.Millisecond

// ahead returns a context that ends a little before the deadline of ctx. A server
// resets the stream of a call at the call's deadline; when that comes to the client
// before its own clock does, some gRPC libraries make CANCELLED of it, which SDKs
// take for an error and not for a wait that has found nothing. An answer that is
// there first cannot be mistaken.
func ahead(ctx context.Context, clock substrate.Clock) (early context.Context, stop func()) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := end.Sub(clock.Wall())
	early, cancel := context.WithCancelCause(ctx)
	disarm := clock.AfterFunc(left-min(left/10, maxAhead), func() { cancel(context.DeadlineExceeded) })
	return early, func() { disarm(); cancel(nil) }
}

// untilNear waits until its caller's deadline is near.
func untilNear[R any](ctx context.Context, clock substrate.Clock, wait func(context.Context) (R, error)) (R, error) {
	early, stop := ahead(ctx, clock)
	defer stop()
	r, err := wait(early)
	if err != nil && errors.Is(context.Cause(early), context.DeadlineExceeded) {
		err = statusOf(context.DeadlineExceeded)
	}
	return r, err
}
