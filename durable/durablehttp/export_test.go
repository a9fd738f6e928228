package durablehttp

import (
	"context"
	"net"
	"net/netip"
)

// Exchange is what makes single exchanges.
type Exchange struct{ c *Calls }

// Exchanger returns what makes single exchanges under options.
func Exchanger(o Options) (Exchange, error) {
	c, err := New(o)
	return Exchange{c}, err
}

// Allows reports whether an address's host is listed.
func (x Exchange) Allows(uri string) bool {
	u, err := address(uri)
	return err == nil && x.c.x.hosts.allow(u) == nil
}

// Do makes one exchange.
func (x Exchange) Do(ctx context.Context, r *Request) (*Response, error) { return x.c.x.do(ctx, r) }

// Close drops connections.
func (x Exchange) Close() { x.c.Close() }

// AllowsAddress reports whether an address may be called from a machine that has others.
func AllowsAddress(a netip.Addr, own ...net.Addr) bool { return checkAddress(a, nil, own) == nil }
