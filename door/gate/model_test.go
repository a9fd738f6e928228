package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/status"
)

// message is a visit of the model, whose call ends like one of gRPC when its status is
// written.
type message struct {
	transportStream
	*visit
	ctx  context.Context
	end  context.CancelFunc
	took chan error // of a take that may wait; nil: there is none
	size int64
	read bool // it has come
}

// WriteStatus implements transportStream.
func (m *message) WriteStatus(*status.Status) error {
	m.end()
	return nil
}

// crowd is some callers who do whatever they like.
type crowd struct {
	*testing.T
	b     *inbound
	clock *testClock
	*rand.Rand
	all []*message
}

// However callers begin, wait, go away and end, what each has is counted once, nobody waits
// while there is room, and in the end nothing is left.
func TestWhateverCallersDoTheirRoomIsCountedOnce(t *testing.T) {
	for seed := range uint64(50) {
		clock := newTestClock()
		c := &crowd{T: t, b: newInbound(clock, 4, 10, 2048, 4096), clock: clock, Rand: rand.New(rand.NewPCG(seed, 0))}
		c.b.yields = seed%2 == 0
		for range 150 {
			c.act()
			c.settle()
			if c.check(); t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		if seed%3 == 0 {
			c.b.stop()
			c.settle()
			c.check()
		}
		for len(c.all) > 0 {
			c.leave(0)
			c.settle()
			c.check()
		}
		b := c.b
		if coming, waiting, bytes := b.state(); coming != 0 || waiting != 0 || bytes != 0 || b.senders != 0 || b.small.turns.Len()+b.large.turns.Len() != 0 {
			t.Fatalf("seed %d: %d are coming of %d, %d wait, %d bytes", seed, coming, b.senders, waiting, bytes)
		}
	}
}

// act does one thing.
func (c *crowd) act() {
	if len(c.all) == 0 || c.IntN(3) == 0 {
		c.begin()
		return
	}
	at := c.IntN(len(c.all))
	switch m := c.all[at]; c.IntN(6) {
	case 0, 1:
		if m.took == nil && m.size < 0 {
			c.take(m)
		}
	case 2: // it is smaller than was thought
		if n := m.bytes; m.took == nil && n > 0 {
			c.b.give(m.visit, 1+c.Int64N(n))
		}
	case 3:
		if m.took == nil && !m.read {
			m.read = true
			_ = c.b.came(m.visit)
		}
	case 4:
		c.clock.advance(time.Duration(c.Int64N(int64(messageTime))))
	case 5:
		c.leave(at)
	}
}

func (c *crowd) begin() {
	m := &message{visit: &visit{caller: fmt.Sprint(c.IntN(5))}, size: -1}
	m.ctx, m.end = context.WithCancel(context.Background())
	m.stream = m
	if c.IntN(4) == 0 { // a body
		c.b.enter(m.visit)
	} else if c.b.begin(m.visit) != nil {
		m.end()
		return
	}
	c.all = append(c.all, m)
}

// take wants room, of any of the sizes that make a difference.
func (c *crowd) take(m *message) {
	m.size = []int64{0, 1, 2, 3, 100, 128, 300, 1024, 2048, 4096}[c.IntN(10)]
	m.took = make(chan error, 1)
	go func() { m.took <- c.b.take(m.ctx, m.visit, m.size) }()
	for c.waiting() < c.pending() { // until it waits, or has what it wants
		c.collect()
	}
}

// leave ends a call, which the other side may do at any time.
func (c *crowd) leave(at int) {
	m := c.all[at]
	m.end()
	if m.took != nil {
		c.ended(m, <-m.took)
	}
	c.b.end(m.visit)
	c.all = slices.Delete(c.all, at, at+1)
}

// settle waits for all whose waiting is over.
func (c *crowd) settle() {
	for _, m := range c.all {
		if m.took != nil && m.ctx.Err() != nil {
			c.ended(m, <-m.took)
		}
	}
	for c.waiting() < c.pending() {
		c.collect()
	}
}

// collect notes what has ended of those who wait.
func (c *crowd) collect() {
	for _, m := range c.all {
		select {
		case err := <-m.took:
			c.ended(m, err)
		default:
		}
	}
}

func (c *crowd) ended(m *message, err error) {
	m.took = nil
	if err != nil && m.ctx.Err() == nil {
		c.Errorf("who wants %d bytes has none: %v", m.size, err)
	}
}

func (c *crowd) pending() (n int) {
	for _, m := range c.all {
		if m.took != nil {
			n++
		}
	}
	return n
}

func (c *crowd) waiting() int {
	_, n, _ := c.b.state()
	return n
}

// check compares what is counted with what there is.
func (c *crowd) check() {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	coming, bytes := map[*account]int{}, map[*share]int64{}
	listed := 0
	for _, m := range c.all {
		if bytes[m.share] += m.bytes; m.visit.coming {
			coming[m.account]++
		}
		list := (*visitList)(nil)
		if m.visit.coming && m.took != nil {
			list = &b.standing
		} else if m.visit.coming {
			list = &b.timed
		}
		if m.in != list {
			c.Errorf("a message is coming: %v, waits: %v, and is in another list", m.visit.coming, m.took != nil)
		}
	}
	for _, l := range [...]*visitList{&b.timed, &b.standing} {
		last := (*visit)(nil)
		for v := l.first; v != nil; last, v = v, v.after {
			if listed++; v.in != l || v.before != last {
				c.Error("a list is broken")
			}
			if l == &b.timed && last != nil && last.since > v.since {
				c.Error("not the oldest is first")
			}
		}
		if l.last != last {
			c.Error("a list does not end with its last")
		}
	}
	if b.timed.first != nil && !b.armed {
		c.Error("nobody looks at what is late")
	}
	senders, n := 0, 0
	for _, a := range b.callers { // order-free: sums
		if a.coming > 0 {
			senders++
		}
		if n += a.coming; a.coming != coming[a] || a.coming > b.one {
			c.Errorf("%d messages of a caller, counted as %d", coming[a], a.coming)
		}
		for s, r := range map[*share]*room{&a.small: &b.small, &a.large: &b.large} { // order-free: each on its own
			c.checkShare(s, r, bytes[s])
		}
	}
	if listed != b.coming || n != b.coming || senders != b.senders || b.coming > b.all {
		c.Errorf("%d are coming, %d in lists, %d of callers; %d send, counted as %d", b.coming, listed, n, senders, b.senders)
	}
	c.checkRoom(&b.small)
	c.checkRoom(&b.large)
}

// checkShare says whether what a caller has is what his messages have, and whether he waits
// for others if, and only if, it is for them that he waits.
func (c *crowd) checkShare(s *share, r *room, bytes int64) {
	if s.bytes != bytes {
		c.Errorf("messages have %d bytes, counted as %d", bytes, s.bytes)
	}
	if (s.turn != nil) != r.waits(s) {
		c.Errorf("%d wait, in turn: %v", s.queue.Len(), s.turn != nil)
	}
}

// checkRoom says whether those who are in turn have to wait.
func (c *crowd) checkRoom(r *room) {
	if r.owned < 0 || r.beyond < 0 {
		c.Errorf("%d and %d bytes", r.owned, r.beyond)
	}
	var owned, beyond bool // somebody before wants such, and has none
	for e := r.turns.Front(); e != nil; e = e.Next() {
		s := e.Value.(*share)
		if s.turn != e || s.queue.Len() == 0 {
			c.Error("a turn is of nobody who waits")
			return
		}
		o, more := r.parts(s, s.queue.Front().Value.(*wanted).n)
		noOwn, noMore := o > 0 && (owned || !r.fitsIn(r.owned, o)), more > 0 && (beyond || !r.fitsIn(r.beyond, more))
		if owned, beyond = owned || noOwn, beyond || noMore; !noOwn && !noMore {
			c.Error("one waits for whom there is room")
		}
	}
}
