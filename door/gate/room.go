package gate

import (
	"container/list"
	"context"
)

// room is the memory of messages. It is guarded by the mutex of inbound.
//
// What each caller has of it up to own is had beside what all share: so nobody waits
// with a message of the usual size because of the large ones of others.
type room struct {
	one, own, most int64     // bytes of one caller, of those that are his own, and of all: once of what is own, once of what is beyond
	owned, beyond  int64     // bytes that callers have
	turns          list.List // of *share: whoever waits for nothing but others
}

const (
	// owns is which part of what a caller may have is his own.
	owns = 16
	// smalls is how many of the messages that are small have as much room as is a caller's
	// own. Small is what comes in a stream's window, without being asked for.
	smalls = 64
)

func newRoom(one, most int64) room { return room{one: one, own: one / owns, most: most} }

// share is what one caller has.
type share struct {
	bytes int64
	queue list.List     // of *wanted: a caller's messages pass each other by no means, or small ones kept a large one waiting for ever
	turn  *list.Element // of turns
}

func (s *share) idle() bool { return s.bytes == 0 && s.queue.Len() == 0 }

// wanted is room that a visit waits for.
type wanted struct {
	n       int64
	granted chan struct{}
}

// take gives the visit room for n bytes, once, and waits for it: who sends is held up
// meanwhile, and the time of the message stands still.
func (b *inbound) take(ctx context.Context, v *visit, n int64) error {
	b.mu.Lock()
	r, s := b.where(v.account, n)
	v.room, v.share = r, s
	if r.has(s, n) {
		r.add(s, n)
		v.bytes += n
		b.mu.Unlock()
		return nil
	}
	w := &wanted{n, make(chan struct{})}
	e := s.queue.PushBack(w)
	if v.coming {
		b.standing.add(v)
	}
	r.offer(s)
	b.mu.Unlock()
	select {
	case <-w.granted:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted:
		v.bytes += n
	default:
		r.forget(s, e)
		return context.Cause(ctx)
	}
	if v.coming {
		b.time(v)
	}
	return nil
}

// where is the room for n bytes of a caller, and his share of it. Small messages have
// that of large ones if nobody waits for it and theirs is full: callers may have
// thousands of them at a time.
func (b *inbound) where(a *account, n int64) (*room, *share) {
	if n > b.smallest || !b.small.has(&a.small, n) && b.large.has(&a.large, n) {
		return &b.large, &a.large
	}
	return &b.small, &a.small
}

// give takes back room for n bytes.
func (b *inbound) give(v *visit, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v.give(n)
}

func (v *visit) give(n int64) {
	if n == 0 {
		return
	}
	v.bytes -= n
	v.room.add(v.share, -n)
	v.room.offer(v.share)
}

// has reports whether there is room for n bytes that nobody waits for.
func (r *room) has(s *share, n int64) bool {
	return r.turns.Len() == 0 && s.queue.Len() == 0 && r.mayHave(s, n) && r.fits(s, n)
}

// mayHave reports whether one caller may have n bytes more. One message always may if
// there is no other.
func (r *room) mayHave(s *share, n int64) bool { return s.bytes == 0 || s.bytes+n <= r.one }

// parts are what of n bytes more is the caller's own, and what is beyond that.
func (r *room) parts(s *share, n int64) (owned, beyond int64) {
	owned = min(s.bytes+n, r.own) - min(s.bytes, r.own)
	return owned, n - owned
}

func (r *room) fits(s *share, n int64) bool {
	owned, beyond := r.parts(s, n)
	return r.fitsIn(r.owned, owned) && r.fitsIn(r.beyond, beyond)
}

func (r *room) fitsIn(have, more int64) bool { return more == 0 || have == 0 || have+more <= r.most }

func (r *room) add(s *share, n int64) {
	owned, beyond := r.parts(s, n)
	s.bytes += n
	r.owned += owned
	r.beyond += beyond
}

// offer lets those have room who can, after the caller's share has changed or somebody
// has begun to wait.
func (r *room) offer(s *share) {
	if s.turn == nil && r.waits(s) {
		s.turn = r.turns.PushBack(s)
	}
	if r.turns.Len() > 0 {
		r.admit()
	}
}

// waits reports whether the caller's first message waits only for others.
func (r *room) waits(s *share) bool {
	first := s.queue.Front()
	return first != nil && r.mayHave(s, first.Value.(*wanted).n)
}

// admit gives room to one message of each caller after the other. Who finds none is not
// passed by those who want the same.
func (r *room) admit() {
	var owned, beyond bool // somebody waits for such
	for e := r.turns.Front(); e != nil; {
		s, next := e.Value.(*share), e.Next()
		first := s.queue.Front()
		w := first.Value.(*wanted)
		o, b := r.parts(s, w.n)
		hasNoOwn, hasNoneBeyond := o > 0 && (owned || !r.fitsIn(r.owned, o)), b > 0 && (beyond || !r.fitsIn(r.beyond, b))
		owned, beyond = owned || hasNoOwn, beyond || hasNoneBeyond
		if !hasNoOwn && !hasNoneBeyond {
			s.queue.Remove(first)
			r.add(s, w.n)
			close(w.granted)
			if !r.waits(s) {
				r.leave(s)
			} else if r.turns.MoveToBack(e); next == nil {
				next = e
			}
		}
		e = next
	}
}

// leave takes the caller's turn.
func (r *room) leave(s *share) {
	if s.turn != nil {
		r.turns.Remove(s.turn)
		s.turn = nil
	}
}

// forget removes who waits no longer.
func (r *room) forget(s *share, e *list.Element) {
	first := s.queue.Front() == e
	s.queue.Remove(e)
	if first && !r.waits(s) {
		r.leave(s)
	}
	r.offer(s)
}
