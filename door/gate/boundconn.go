package gate

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
)

// Listen bounds a listener's connections. A write that the other side does not
// take within patience fails; zero is no bound.
func (c *Connections) Listen(l net.Listener, patience time.Duration) net.Listener {
	return &boundListener{Listener: l, c: c, patience: patience}
}

// ListenProbed is Listen for a listener of HTTP that answers probes. They have room
// where there is none for callers: connections beyond the bound are served of which
// Spare says that they are for that only.
func (c *Connections) ListenProbed(l net.Listener, patience time.Duration) net.Listener {
	return &boundListener{Listener: l, c: c, patience: patience, probed: true}
}

type boundListener struct {
	net.Listener
	c        *Connections
	patience time.Duration
	probed   bool
}

// Accept implements net.Listener.
func (l *boundListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		b := l.bind(conn)
		out, ok := l.c.enter(b)
		if out != nil {
			_ = out.Conn.Close() // who has it finds out
		}
		if !ok || b.spare {
			l.c.full(b.from.host)
		}
		if ok {
			return b, nil
		}
		_ = conn.Close() // nobody has been told anything yet
	}
}

// bind makes a connection one that can have a place.
func (l *boundListener) bind(conn net.Conn) *boundConn {
	b := &boundConn{Conn: conn, l: l}
	b.from = callerAddr{Addr: conn.RemoteAddr(), conn: b}
	b.from.host = hostOf(b.from.String())
	if addr, err := netip.ParseAddr(b.from.host); err == nil {
		addr = addr.Unmap()
		b.from.host = addr.String()
		b.block = blockOf(addr)
	}
	return b
}

// blockOf are the addresses that count as one with an address.
func blockOf(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() && !addr.IsLoopback() {
		bits = 64
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked()
}

// boundConn is a connection that counts.
type boundConn struct {
	net.Conn
	l     *boundListener
	from  callerAddr
	block netip.Prefix // the addresses that count as this one
	known atomic.Bool  // it is a caller's; changes while Connections.mu is held

	// Of Connections, while mu is held.
	place, placeOfIts *list.Element
	left              bool
	spare             bool // never changes once it is accepted
}

// callerAddr is the address of the other side, by which its connection is found: it is
// all that gRPC tells of that.
type callerAddr struct {
	net.Addr
	host string // without the port
	conn *boundConn
}

// RemoteAddr implements net.Conn.
func (b *boundConn) RemoteAddr() net.Addr { return &b.from }

// Close implements net.Conn.
func (b *boundConn) Close() error {
	b.l.c.mu.Lock()
	b.l.c.remove(b)
	b.l.c.mu.Unlock()
	return b.Conn.Close()
}

// Write implements net.Conn.
func (b *boundConn) Write(p []byte) (int, error) {
	if b.l.patience > 0 {
		if err := b.SetWriteDeadline(b.l.c.clock.Wall().Add(b.l.patience)); err != nil {
			return 0, err
		}
	}
	return b.Conn.Write(p)
}

type connKey struct{}

// ConnContext is what an http.Server behind Connections is to have of that name: it
// tells requests over which connection they come.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if from, ok := conn.RemoteAddr().(*callerAddr); ok {
		return context.WithValue(ctx, connKey{}, from.conn)
	}
	return ctx
}

// httpConn is the connection over which a request comes; nil if it does not count.
func httpConn(ctx context.Context) *boundConn {
	b, _ := ctx.Value(connKey{}).(*boundConn)
	return b
}

// rpcConn is the connection over which a remote call comes; nil if it does not count.
func rpcConn(ctx context.Context) *boundConn {
	if from, ok := peer.FromContext(ctx); ok {
		if addr, ok := from.Addr.(*callerAddr); ok {
			return addr.conn
		}
	}
	return nil
}

// Spare reports whether a request comes over a connection for which there is no room
// but to be told so, or how the server is.
func Spare(ctx context.Context) bool {
	b := httpConn(ctx)
	return b != nil && b.spare
}
