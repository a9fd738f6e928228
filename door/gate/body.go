package gate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
)

// bodyTime bounds how long the body of a request may take to come, once somebody
// reads it.
const bodyTime = 2 * time.Minute

// body is that of a request. Nothing of it is read before there is room for it, which it
// has until it is closed or the request has ended, like a message of a remote call.
//
// It has a time limit of its own: one of the whole request would end those that wait, as
// net/http goes on reading to notice that the caller is gone.
type body struct {
	io.ReadCloser
	g        *Gate
	v        *visit
	rc       *http.ResponseController
	ctx      context.Context
	declared int64 // bytes; negative if nobody has said
	size     int64
	begun    bool
	err      error
	unwatch  func() bool // of ctx, whose end ends what is being read
}

// Read implements io.Reader. That a connection takes no deadline is nobody's error.
func (b *body) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		if b.err = b.enter(); b.err == nil {
			b.watch()
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.size += int64(n)
	if err != nil {
		b.err = err
		b.end()
	}
	if errors.Is(err, io.EOF) { // else net/http, which reads what is left, would wait for it without end
		_ = b.rc.SetReadDeadline(time.Time{})
		if b.size < b.v.bytes {
			b.g.inbound.give(b.v, b.v.bytes-b.size)
		}
	}
	return n, err
}

// Close implements io.Closer. What is closed has room no more, as the request may go on to
// wait for long.
func (b *body) Close() error {
	b.end()
	if b.v.bytes > 0 {
		b.g.inbound.give(b.v, b.v.bytes)
	}
	return b.ReadCloser.Close()
}

// watch bounds the time of what is read from now on.
func (b *body) watch() {
	_ = b.rc.SetReadDeadline(b.g.opts.Clock.Wall().Add(bodyTime))
	b.unwatch = context.AfterFunc(b.ctx, func() { _ = b.rc.SetReadDeadline(time.Unix(1, 0)) })
}

// end notes that nothing is read any more.
func (b *body) end() {
	if b.unwatch != nil {
		b.unwatch()
	}
}

// enter waits for room, but not without end: net/http notices that a caller has gone only
// once the body has been read.
func (b *body) enter() error {
	most := int64(b.g.opts.Body)
	if b.declared >= 0 {
		most = min(most, b.declared)
	}
	ctx, end := context.WithCancelCause(b.ctx)
	defer end(nil)
	stop := b.g.opts.Clock.AfterFunc(bodyTime, func() {
		end(refuse(codes.ResourceExhausted, "within %v there was no room for the body beside the other messages of %s", bodyTime, b.v.caller))
	})
	defer stop()
	b.g.inbound.enter(b.v)
	return b.g.inbound.take(ctx, b.v, most)
}
