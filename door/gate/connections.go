package gate

import (
	"net"
	"sync"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// DefaultConnections is how many connections a server has at a time.
const DefaultConnections = 10_000

// Connections bounds how many connections a server has at a time, over all of its
// listeners. One too many is closed at once, so that it fails rather than hangs.
type Connections struct {
	most  int
	clock substrate.Clock

	mu  sync.Mutex
	now int
}

// NewConnections bounds to so many; by default DefaultConnections.
func NewConnections(most int, clock substrate.Clock) *Connections {
	positive(&most, DefaultConnections)
	return &Connections{most: most, clock: clock}
}

// Listen bounds a listener's connections. A write that the other side does not
// take within patience fails; zero is no bound.
func (c *Connections) Listen(l net.Listener, patience time.Duration) net.Listener {
	return &boundListener{l, c, patience}
}

type boundListener struct {
	net.Listener
	c        *Connections
	patience time.Duration
}

// Accept implements net.Listener.
func (l *boundListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.c.enter() {
			return &boundConn{Conn: conn, l: l}, nil
		}
		_ = conn.Close() // nobody has been told anything yet
	}
}

func (c *Connections) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now >= c.most {
		return false
	}
	c.now++
	return true
}

func (c *Connections) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
}

// boundConn is a connection that counts.
type boundConn struct {
	net.Conn
	l    *boundListener
	once sync.Once
}

// Close implements net.Conn.
func (c *boundConn) Close() error {
	c.once.Do(c.l.c.leave)
	return c.Conn.Close()
}

// Write implements net.Conn.
func (c *boundConn) Write(b []byte) (int, error) {
	if c.l.patience > 0 {
		if err := c.SetWriteDeadline(c.l.c.clock.Wall().Add(c.l.patience)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}
