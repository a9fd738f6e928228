package gate

import (
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
	// owedOfOne and owedOfAll are how many answers that are owed may be coming beside
	// those. More of them count like the messages of any call.
	owedOfOne, owedOfAll = 4_000, 8_000
)

// inbound bounds the messages that callers send: how many are coming, and the memory of
// those that are there. Before one is read there has to be room for it, which it has
// until its call has ended.
type inbound struct {
	clock    substrate.Clock
	one, all int  // messages that may be coming
	yields   bool // a caller who has many coming makes room for one who has few

	mu       sync.Mutex
	callers  map[string]*account
	coming   int       // messages that have begun to come and are not there
	senders  int       // callers of such
	timed    visitList // those of them that may take messageTime
	standing visitList // those that wait for room, whose time stands still
	armed    bool
	stopped  bool  // nothing comes any more
	smallest int64 // bytes that messages have at most that have a room of their own
	small    room
	large    room
}

// account is what one caller has of it.
type account struct {
	coming       int
	small, large share
}

func newInbound(clock substrate.Clock, one, all int, share, most int64) *inbound {
	return &inbound{clock: clock, one: one, all: all, callers: map[string]*account{}, smallest: share / owns / smalls, small: newRoom(share/owns, most/4), large: newRoom(share, most)}
}

// begin notes that the visit's message is coming; came has to follow, and end.
func (b *inbound) begin(v *visit) error {
	b.mu.Lock()
	a := b.of(v.caller)
	out, err := b.admits(v, a)
	if err == nil {
		v.inbound, v.account = b, a
		b.count(v)
		b.time(v)
	}
	b.mu.Unlock()
	if out != nil {
		out.cut()
	}
	return err
}

// of is the account of a caller.
func (b *inbound) of(caller string) *account {
	a := b.callers[caller]
	if a == nil {
		a = &account{}
		b.callers[caller] = a
	}
	return a
}

// enter is begin for what comes in another way, and is only to have room; end has to
// follow.
func (b *inbound) enter(v *visit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v.inbound, v.account = b, b.of(v.caller)
}

// admits refuses a message beyond those that may be coming. One that it returns has
// made room, and is to be cut.
func (b *inbound) admits(v *visit, a *account) (out *visit, err error) {
	switch {
	case b.stopped:
		return nil, errStops
	case a.coming >= b.one:
		return nil, refuse(codes.ResourceExhausted, "%s is sending %d messages, which is as many as one caller may send at a time", v.caller, a.coming)
	case b.coming < b.all:
		return nil, nil
	}
	if out = b.crowding(a); out == nil {
		return nil, refuse(codes.ResourceExhausted, "callers are sending %d messages, which is as many as the server takes at a time", b.coming)
	}
	b.drop(out, errMadeRoom)
	return out, nil
}

var (
	errLate     = refuse(codes.DeadlineExceeded, "the message has not come within %v", messageTime)
	errStops    = refuse(codes.Unavailable, "the message had not come when the server stopped")
	errMadeRoom = refuse(codes.ResourceExhausted, "the message has made room for that of another caller: too many are coming, and most of them from this one")
)

// crowding is the oldest of the messages whose callers have more of them coming than if
// all who send had as many. There is one if a caller who wants to send has less.
func (b *inbound) crowding(a *account) *visit {
	senders := b.senders
	if a.coming == 0 {
		senders++
	}
	even := b.all / senders
	if !b.yields || a.coming >= even {
		return nil
	}
	for _, l := range [...]*visitList{&b.timed, &b.standing} {
		for v := l.first; v != nil; v = v.after {
			if v.account.coming > even {
				return v
			}
		}
	}
	return nil
}

func (b *inbound) count(v *visit) {
	v.coming = true
	b.coming++
	if v.account.coming++; v.account.coming == 1 {
		b.senders++
	}
}

// uncount notes that the visit's message is coming no longer, if that was not noted.
func (b *inbound) uncount(v *visit) {
	if !v.coming {
		return
	}
	v.coming = false
	v.unlink()
	b.coming--
	if v.account.coming--; v.account.coming == 0 {
		b.senders--
	}
}

// drop notes why a message that is coming will not be waited for.
func (b *inbound) drop(v *visit, why *Refusal) {
	b.uncount(v)
	v.dropped = why
}

// time begins the visit's time.
func (b *inbound) time(v *visit) {
	v.since = b.clock.Mono()
	b.timed.add(v)
	if !b.armed {
		b.armed = true
		b.clock.AfterFunc(messageTime, b.sweep)
	}
}

// came notes that the visit's message is there, or will not come. The error is why its
// call has been ended, if it has.
func (b *inbound) came(v *visit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uncount(v)
	if v.dropped != nil {
		return v.dropped
	}
	return nil
}

// sweep ends the calls whose messages have taken too long.
func (b *inbound) sweep() {
	b.mu.Lock()
	var late []*visit
	now := b.clock.Mono()
	for b.timed.first != nil && now-b.timed.first.since >= messageTime {
		v := b.timed.first
		b.drop(v, errLate)
		late = append(late, v)
	}
	if b.armed = b.timed.first != nil; b.armed {
		b.clock.AfterFunc(b.timed.first.since+messageTime-now, b.sweep)
	}
	b.mu.Unlock()
	for _, v := range late {
		v.cut()
	}
}

// stop ends the calls of all messages that have not come.
func (b *inbound) stop() {
	b.mu.Lock()
	b.stopped = true
	var all []*visit
	for _, l := range [...]*visitList{&b.timed, &b.standing} {
		for l.first != nil {
			all = append(all, l.first)
			b.drop(l.first, errStops)
		}
	}
	b.mu.Unlock()
	for _, v := range all {
		v.cut()
	}
}

// end takes back all that the visit has.
func (b *inbound) end(v *visit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uncount(v)
	v.give(v.bytes)
	if len(b.callers) > maxBuckets {
		for k, a := range b.callers { // order-free: removes
			if a.coming == 0 && a.small.idle() && a.large.idle() {
				delete(b.callers, k)
			}
		}
	}
}

// giveBack takes back what the visit has of inbound, if it ever had anything.
func (v *visit) giveBack() {
	if v.inbound != nil {
		v.inbound.end(v)
	}
}

// cut ends the call of a message that is not waited for. Whoever has gone need not be
// told.
func (v *visit) cut() { _ = v.stream.WriteStatus(v.dropped.GRPCStatus()) }

// visitList is some visits, the oldest first. Each is in one list at most.
type visitList struct{ first, last *visit }

func (l *visitList) add(v *visit) {
	v.unlink()
	v.in, v.before, v.after = l, l.last, nil
	if l.last = v; v.before == nil {
		l.first = v
	} else {
		v.before.after = v
	}
}

// unlink removes the visit from the list that it is in, if any.
func (v *visit) unlink() {
	if v.in == nil {
		return
	}
	if v.before == nil {
		v.in.first = v.after
	} else {
		v.before.after = v.after
	}
	if v.after == nil {
		v.in.last = v.before
	} else {
		v.after.before = v.before
	}
	v.in, v.before, v.after = nil, nil, nil
}
