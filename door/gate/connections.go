package gate

import (
	"container/list"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/substrate"
)

const (
	// DefaultConnections is how many connections a server has at a time.
	DefaultConnections = 10_000
	// AdminConnections is how many the admin listener has, beside those.
	AdminConnections = 100
	// spareConnections is how many a listener with probes has beyond the limit: they
	// are answered about the server's health, and that there is no room for more.
	spareConnections = 64
)

// Connections bounds how many connections a server has at a time, over the listeners
// that share the bound. Those over which nobody has made a call whose credentials were
// accepted are strangers, and have no claim to their place: the oldest of them is closed
// for one that comes. One too many beside those of callers is closed at once, so that it
// fails rather than hangs.
//
// An address other than loopback has half of the places at most. Those of one IPv6 /64
// are one: whoever has one has all of them.
type Connections struct {
	most, share int
	clock       substrate.Clock

	mu        sync.Mutex
	now       int
	strangers list.List // of *boundConn, the oldest first
	spares    list.List // likewise, beyond the bound
	by        map[netip.Prefix]*neighbor
	log       *slog.Logger
	sayFrom   time.Duration // when it may be said again that there is no room
}

// fullAgain is how often it is said at most that there is no room.
const fullAgain = time.Minute

// neighbor is an address that has connections.
type neighbor struct {
	now       int
	strangers list.List
}

// NewConnections bounds to so many; by default DefaultConnections. The log is told when
// callers find no room.
func NewConnections(most int, clock substrate.Clock, log *slog.Logger) *Connections {
	positive(&most, DefaultConnections)
	return &Connections{most: most, share: max(most/2, 1), clock: clock, by: map[netip.Prefix]*neighbor{}, log: log}
}

// full says that there is no room, now and then.
func (c *Connections) full(from string) {
	c.mu.Lock()
	now := c.clock.Mono()
	say, count := now >= c.sayFrom, c.now
	if say {
		c.sayFrom = now + fullAgain
	}
	c.mu.Unlock()
	if say {
		c.log.Warn("a connection is closed, or probes are answered only: there is no room for more (limits.connections), of all callers or from one address",
			"from", from, "connections", count, "most", c.most, "from-one-address", c.share)
	}
}

// enter gives a connection a place. It reports false if there is none for it. Another
// connection that it returns has lost its place, and is to be closed.
func (c *Connections) enter(b *boundConn) (out *boundConn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.by[b.block]
	switch {
	case n != nil && n.now >= c.share && !b.block.Addr().IsLoopback():
		out = oldest(&n.strangers)
	case c.now >= c.most:
		out = oldest(&c.strangers)
	default:
		c.add(b)
		return nil, true
	}
	if out != nil {
		c.remove(out)
		c.add(b)
		return out, true
	}
	return c.enterSpare(b)
}

// enterSpare gives a connection a place beyond the bound, where there are such.
func (c *Connections) enterSpare(b *boundConn) (out *boundConn, ok bool) {
	if !b.l.probed {
		return nil, false
	}
	if c.spares.Len() >= spareConnections {
		out = oldest(&c.spares)
		c.remove(out)
	}
	b.spare = true
	b.place = c.spares.PushBack(b)
	return out, true
}

func oldest(l *list.List) *boundConn {
	if e := l.Front(); e != nil {
		return e.Value.(*boundConn)
	}
	return nil
}

// add counts a connection, of a stranger so far.
func (c *Connections) add(b *boundConn) {
	n := c.by[b.block]
	if n == nil {
		n = &neighbor{}
		c.by[b.block] = n
	}
	c.now++
	n.now++
	c.estrange(b, n)
}

// remove counts a connection no more, whether it is closed already or not.
func (c *Connections) remove(b *boundConn) {
	if b.left {
		return
	}
	b.left = true
	if b.spare {
		c.spares.Remove(b.place)
		return
	}
	n := c.by[b.block]
	c.meet(b, n)
	c.now--
	if n.now--; n.now == 0 {
		delete(c.by, b.block)
	}
}

// estrange makes a connection a stranger's, the one that is closed last.
func (c *Connections) estrange(b *boundConn, n *neighbor) {
	b.place, b.placeOfIts = c.strangers.PushBack(b), n.strangers.PushBack(b)
}

// meet makes a connection a caller's, if it is not.
func (c *Connections) meet(b *boundConn, n *neighbor) {
	if b.place != nil {
		c.strangers.Remove(b.place)
		n.strangers.Remove(b.placeOfIts)
		b.place, b.placeOfIts = nil, nil
	}
}

// heard notes what came of the credentials of a call over a connection. If they were not
// accepted it is a stranger's again, as that of a key that was withdrawn.
func (b *boundConn) heard(err error) {
	accepted := err == nil
	if b == nil || b.known.Load() == accepted || errors.Is(err, errLater) || errors.Is(err, errOneOf) || err != nil && refusalOf(err).Code != codes.Unauthenticated {
		return
	}
	c := b.l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.left || b.spare || b.known.Load() == accepted {
		return
	}
	b.known.Store(accepted)
	if n := c.by[b.block]; accepted {
		c.meet(b, n)
	} else {
		c.estrange(b, n)
	}
}
