package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
)

const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
	// attemptTime bounds the first attempt of a call: what has not been answered for so
	// long is asked again, in case that the other side is gone without a word. A large
	// message on a slow line may take longer: the next attempt to send it has twice as long,
	// up to longestAttempt, which is a little more than a server waits for a message.
	attemptTime    = 60 * time.Second
	longestAttempt = 150 * time.Second
)

// pauses are the times between attempts: each twice the one before, less up to a
// half at random, so that those who lost a server together do not come back so.
type pauses struct {
	n      int
	random func() float64 // in [0, 1)
}

func (l *link) pauses() pauses { return pauses{random: l.chance} }

func (p *pauses) next() time.Duration {
	d := min(firstPause<<min(p.n, 10), longPause)
	p.n++
	return d/2 + time.Duration(p.random()*float64(d/2))
}

// pause waits, unless ctx ends first.
func (l *link) pause(ctx context.Context, d time.Duration) {
	done := make(chan struct{})
	stop := l.clock.AfterFunc(d, func() { close(done) })
	defer stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// outgoing adds to ctx what every call says: the task hub and who calls.
func (l *link) outgoing(ctx context.Context) (context.Context, error) {
	if l.tokens == nil {
		return metadata.NewOutgoingContext(ctx, l.header), nil
	}
	token, err := l.tokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	header := l.header.Copy()
	header.Set("authorization", "Bearer "+token)
	return metadata.NewOutgoingContext(ctx, header), nil
}

// again are the options of calls that wait for a connection.
var again = grpc.WaitForReady(true)

// patience is how long a call goes on where its context has no deadline, and how long its
// attempts do.
type patience uint8

const (
	limited patience = iota // for the time that the link gives to calls
	waiting                 // without end, each attempt for attemptTime
	sending                 // without end, attempts that were too short are longer the next time
)

// call makes a call until it is answered or ctx ends. what is for errors; do is told
// whether the call has been sent before, and may have had its effect.
func (l *link) call(ctx context.Context, what string, how patience, do func(ctx context.Context, resent bool) error) error {
	if _, has := ctx.Deadline(); !has && how == limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	out, err := l.outgoing(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p, limit := l.pauses(), attemptTime
	for attempt := 0; ; attempt++ {
		var late bool
		late, err = attemptFor(out, limit, func(ctx context.Context) error { return do(ctx, attempt > 0) })
		if late && how == sending {
			limit = min(2*limit, longestAttempt)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, l.gaveUp(ctx, err))
		case !l.passing(err):
			return attempted(what, l.explain(err))
		}
		if l.pause(ctx, p.next()); l.ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, errClosed)
		}
	}
}

// attemptFor makes one attempt, and reports whether its time was over.
func attemptFor(ctx context.Context, limit time.Duration, do func(context.Context) error) (late bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = do(ctx)
	return errors.Is(ctx.Err(), context.DeadlineExceeded), err
}

// passing reports whether an error is one of the connection, or of a server that
// is about to stop, and goes away by itself. What a hub says of its own state is
// for the caller to decide about, as with an embedded hub.
func (l *link) passing(err error) bool {
	if l.ctx.Err() != nil {
		return false
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.Unavailable:
		x := detail(s)
		return x == nil || x.GetCode() == "closed"
	case codes.DeadlineExceeded, codes.Canceled:
		return detail(s) == nil // of the attempt: the call's own context has not ended
	}
	return false
}

// detail is what a status says of the contract's errors, nil if it says nothing.
func detail(s *status.Status) *extra.Error {
	for _, d := range s.Details() {
		if x, ok := d.(*extra.Error); ok {
			return x
		}
	}
	return nil
}

// gaveUp describes why a call was given up: its context has ended.
func (l *link) gaveUp(ctx context.Context, last error) error {
	err := context.Cause(ctx)
	if s, ok := status.FromError(last); ok && s.Code() == codes.Unavailable {
		return fmt.Errorf("%w; the server at %s was not reached: %s", err, l.address, s.Message())
	}
	return fmt.Errorf("no answer from the server at %s: %w", l.address, err)
}
