package gate

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/substrate"
)

const (
	// messageTime is how long a message may take to come.
	messageTime = 2 * time.Minute
	// comingOfOne and comingOfAll bound the messages that have begun to come, of one
	// caller and of all. Before the gate asks for more, a stream's window bounds what
	// has come of each: see package durabletask.
	comingOfOne, comingOfAll = 2_000, 4_000
)

// inbound bounds the memory of the messages that callers send. Before one is read
// there has to be room for it, which it has until its call has ended.
type inbound struct {
	clock       substrate.Clock
	one, all    int   // messages that may be coming
	share, most int64 // bytes of one caller's, and of all

	mu          sync.Mutex
	callers     map[string]*account
	coming      int
	bytes       int64
	first, last *visit // whose messages are coming, the oldest first
	armed       bool
	queue       []*wanted
}

// account is what one caller has of it.
type account struct {
	coming  int
	waiting int // for room
	bytes   int64
}

// wanted is room that somebody waits for.
type wanted struct {
	a       *account
	n       int64
	granted chan struct{}
}

func newInbound(clock substrate.Clock, one, all int, share, most int64) *inbound {
	return &inbound{clock: clock, one: one, all: all, share: share, most: most, callers: map[string]*account{}}
}

// begin notes that the visit's message is coming; came has to follow, and end.
func (b *inbound) begin(v *visit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.callers[v.caller]
	if a == nil {
		a = &account{}
		b.callers[v.caller] = a
	}
	switch {
	case a.coming >= b.one:
		return refuse(codes.ResourceExhausted, "%s is sending %d messages, which is as many as one caller may send at a time", v.caller, a.coming)
	case b.coming >= b.all:
		return refuse(codes.ResourceExhausted, "callers are sending %d messages, which is as many as the server takes at a time", b.coming)
	}
	v.account = a
	b.link(v)
	return nil
}

// link adds the visit to those whose messages are coming. Its time begins.
func (b *inbound) link(v *visit) {
	v.account.coming++
	b.coming++
	v.linked, v.since, v.before = true, b.clock.Mono(), b.last
	if b.last = v; v.before == nil {
		b.first = v
	} else {
		v.before.after = v
	}
	if !b.armed {
		b.armed = true
		b.clock.AfterFunc(messageTime, b.sweep)
	}
}

// came notes that the visit's message is there, or will not come. It reports false
// if it has taken too long.
func (b *inbound) came(v *visit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unlink(v)
	return !v.late
}

// unlink removes the visit from those whose messages are coming, if it is one.
func (b *inbound) unlink(v *visit) {
	if !v.linked {
		return
	}
	v.linked = false
	v.account.coming--
	b.coming--
	if v.before == nil {
		b.first = v.after
	} else {
		v.before.after = v.after
	}
	if v.after == nil {
		b.last = v.before
	} else {
		v.after.before = v.before
	}
	v.before, v.after = nil, nil
}

// sweep ends the calls whose messages have taken too long.
func (b *inbound) sweep() {
	b.mu.Lock()
	var late []*visit
	now := b.clock.Mono()
	for b.first != nil && now-b.first.since >= messageTime {
		v := b.first
		b.unlink(v)
		v.late = true
		late = append(late, v)
	}
	if b.armed = b.first != nil; b.armed {
		b.clock.AfterFunc(b.first.since+messageTime-now, b.sweep)
	}
	b.mu.Unlock()
	for _, v := range late {
		_ = v.stream.WriteStatus(errLate.GRPCStatus()) // whoever has gone need not be told
	}
}

var errLate = refuse(codes.DeadlineExceeded, "the message has not come within %v", messageTime)

// take gives the visit room for n bytes, and waits for it: who sends is held up
// meanwhile, and the time of the message stands still.
func (b *inbound) take(ctx context.Context, v *visit, n int64) error {
	b.mu.Lock()
	if len(b.queue) == 0 && b.fits(v.account, n) {
		b.grant(v.account, n)
		b.mu.Unlock()
		v.bytes += n
		return nil
	}
	w := &wanted{v.account, n, make(chan struct{})}
	b.queue = append(b.queue, w)
	v.account.waiting++
	b.unlink(v)
	b.admit()
	b.mu.Unlock()
	select {
	case <-w.granted:
	case <-ctx.Done():
		if b.forget(w) {
			return context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link(v)
	v.bytes += n
	return nil
}

// fits reports whether there is room. One message always fits if there is no other.
func (b *inbound) fits(a *account, n int64) bool {
	return (a.bytes == 0 || a.bytes+n <= b.share) && (b.bytes == 0 || b.bytes+n <= b.most)
}

func (b *inbound) grant(a *account, n int64) {
	a.bytes += n
	b.bytes += n
}

// forget removes who waits no longer. It reports false if he has been given room.
func (b *inbound) forget(w *wanted) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range b.queue {
		if o == w {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			w.a.waiting--
			b.admit()
			return true
		}
	}
	return false
}

// admit gives room to those who wait, in their order: of a caller none before another,
// or a small message after the other would keep a large one waiting for ever. Who has
// all of his share holds up nobody else.
func (b *inbound) admit() {
	kept := b.queue[:0]
	full := false
	held := map[*account]bool{}
	for _, w := range b.queue {
		mayHave := w.a.bytes == 0 || w.a.bytes+w.n <= b.share
		if full = full || b.bytes > 0 && b.bytes+w.n > b.most && mayHave; !full && !held[w.a] && b.fits(w.a, w.n) {
			b.grant(w.a, w.n)
			w.a.waiting--
			close(w.granted)
			continue
		}
		held[w.a] = true
		kept = append(kept, w)
	}
	clear(b.queue[len(kept):])
	b.queue = kept
}

// give takes back room.
func (b *inbound) give(v *visit, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grant(v.account, -n)
	if v.bytes -= n; len(b.queue) > 0 {
		b.admit()
	}
}

// endOf is end, if the visit ever had anything.
func (b *inbound) endOf(v *visit) {
	if v.account != nil {
		b.end(v)
	}
}

// end takes back all that the visit has.
func (b *inbound) end(v *visit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grant(v.account, -v.bytes)
	if v.bytes = 0; len(b.queue) > 0 {
		b.admit()
	}
	if len(b.callers) > maxBuckets {
		for k, a := range b.callers { // order-free: removes
			if *a == (account{}) {
				delete(b.callers, k)
			}
		}
	}
}
