package netherite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// What clients read does not count against what the hub does: it has a share of its
// own of the memory limit, for pages and for histories each. Who finds no room waits
// without holding anything, first come, first served, and is refused after a while.
func readShare(memory int64) int64 { return rest(memory) / 16 }

const (
	// pagesAtOnce bounds the queries that read at a time, each of which has noted
	// what of its partitions is not in the store; rowsAtOnce of them have a row that
	// may be of any size.
	pagesAtOnce = 16
	rowsAtOnce  = 4
	// readPatience is how long a reader waits for room.
	readPatience = 10 * time.Second
)

// reads is what bounds what clients read.
type reads struct {
	underWay *room // pages, by number
	rows     *room // rows that are looked at, by number
	pages    *room // by bytes
	history  *room // by bytes
}

func (e *Engine) newReads() reads {
	share := readShare(e.opts.Memory)
	return reads{
		underWay: &room{e: e, most: pagesAtOnce, what: "pages are read at a time"}, rows: &room{e: e, most: rowsAtOnce, what: "instances are read at a time"},
		pages: &room{e: e, most: share, what: "bytes of pages are under way"}, history: &room{e: e, most: share, what: "bytes of histories are under way"},
	}
}

// room is something that is shared out. What is larger than all of it has to be
// alone.
type room struct {
	e    *Engine
	most int64
	what string

	mu      sync.Mutex
	held    int64
	waiting []*claim
}

// claim is one that waits for its part of a room.
type claim struct {
	n       int64
	granted chan struct{}
}

// try takes n, unless others have it or wait.
func (r *room) try(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 || !r.fits(n) {
		return false
	}
	r.held += n
	return true
}

func (r *room) fits(n int64) bool { return r.held == 0 || r.held+n <= r.most }

// take takes n when it is there. It fails with ErrBusy after readPatience.
func (r *room) take(ctx context.Context, n int64) error {
	if r.try(n) {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.e.opts.Clock.AfterFunc(readPatience, func() {
		cancel(fmt.Errorf("%w: %s, at most %d", engine.ErrBusy, r.what, r.most))
	})()
	c := &claim{n: n, granted: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	r.grant()
	r.mu.Unlock()
	if r.e.opts.park != nil {
		r.e.opts.park(func() bool { return isClosed(c.granted) || ctx.Err() != nil || isClosed(r.e.closed) })
	}
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
		return r.withdraw(c, context.Cause(ctx))
	case <-r.e.closed:
		return r.withdraw(c, engine.ErrClosed)
	}
}

// withdraw ends a wait, with nil if what was waited for has come meanwhile.
func (r *room) withdraw(c *claim, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.waiting {
		if o == c {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			r.grant() // to those who waited behind it
			return err
		}
	}
	return nil
}

// free gives n back.
func (r *room) free(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= n
	r.grant()
}

// grant gives to those who have waited longest. The caller has the lock.
func (r *room) grant() {
	for len(r.waiting) > 0 && r.fits(r.waiting[0].n) {
		c := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.held += c.n
		close(c.granted)
	}
}

// hold is what one reader has of a room: reserved, and used of that. A nil one is of
// a reader within the hub, which is not bounded by a room.
type hold struct {
	room           *room
	reserved, used int64
}

// noRoom says that a reader has to come again when there is room for so much.
type noRoom struct{ n int64 }

func (noRoom) Error() string { return "no room to read" }

// again begins anew, with what is reserved.
func (h *hold) again() {
	if h != nil {
		h.used = 0
	}
}

// grow uses n more, unless there is no room for it now.
func (h *hold) grow(n int64) bool {
	if h == nil {
		return true
	}
	if more := h.used + n - h.reserved; more > 0 {
		if !h.room.try(more) {
			return false
		}
		h.reserved += more
	}
	h.used += n
	return true
}

// wait lets all go and takes n when it is there.
func (h *hold) wait(ctx context.Context, n int64) error {
	h.release()
	if err := h.room.take(ctx, n); err != nil {
		return err
	}
	h.reserved = n
	return nil
}

// keep holds what is used: until ctx is done if its caller has asked for that, else
// no longer.
func (h *hold) keep(ctx context.Context) {
	if h.used == 0 || !engine.HeldUntilDone(ctx) {
		h.release()
		return
	}
	h.room.free(h.reserved - h.used)
	h.reserved = h.used
	context.AfterFunc(ctx, h.release)
}

func (h *hold) release() {
	if h.reserved > 0 {
		h.room.free(h.reserved)
	}
	h.reserved, h.used = 0, 0
}

// roomily repeats a read that has found no room when there is some.
func roomily(ctx context.Context, h *hold, read func() error) error {
	for {
		h.again()
		err := read()
		short, ok := err.(noRoom)
		if !ok {
			return err
		}
		if err := h.wait(ctx, short.n); err != nil {
			return err
		}
	}
}
