package durablehttp

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hosts are those that may be called.
type hosts []hostRule

// hostRule is one host, or all below a domain, at one port or the usual ones.
type hostRule struct {
	name   string // in lower case; empty with below: any
	below  bool   // all whose name ends in "." + name
	port   int    // 0: that of the scheme
	secure bool   // by https only
}

// parseHost reads HOST, *.DOMAIN or *, with http:// or https:// before it and :PORT
// after it if need be. Without http:// it is https.
func parseHost(text string) (r hostRule, err error) {
	rest, plain := strings.CutPrefix(strings.ToLower(text), "http://")
	if !plain {
		rest = strings.TrimPrefix(rest, "https://")
	}
	r.secure = !plain
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return r, fmt.Errorf("%q is no host that may be called: %q is no port", text, port)
		}
		rest, r.port = host, int(n)
	}
	r.name = strings.Trim(rest, "[]")
	switch {
	case r.name == "*":
		r.name, r.below = "", true
	case strings.HasPrefix(r.name, "*."):
		r.name, r.below = r.name[2:], true
	}
	if r.name == "" && rest != "*" || strings.ContainsAny(r.name, "*/?#@ ") {
		return r, fmt.Errorf("%q is no host that may be called: such are api.example.com, *.example.com, http://internal:8080 and *", text)
	}
	return r, nil
}

func parseHosts(list []string) (hosts, error) {
	var all hosts
	for _, text := range list {
		r, err := parseHost(text)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// allow refuses an address whose host is not listed.
func (h hosts) allow(u *url.URL) error {
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, r := range h {
		if r.matches(u, name) {
			return nil
		}
	}
	return &refusedError{fmt.Sprintf("%s://%s may not be called: it is not among the hosts that are listed (a server's setting calls.hosts)", u.Scheme, u.Host)}
}

func (r *hostRule) matches(u *url.URL, name string) bool {
	switch {
	case r.secure && u.Scheme != "https":
		return false
	case r.below && r.name != "" && !strings.HasSuffix(name, "."+r.name), !r.below && name != r.name:
		return false
	case r.port == 0:
		return u.Port() == "" || u.Port() == usualPort(u.Scheme)
	}
	return portOf(u) == strconv.Itoa(r.port)
}

func usualPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return usualPort(u.Scheme)
}

// refusedError is what no retry helps against.
type refusedError struct{ text string }

// Error implements error.
func (e *refusedError) Error() string { return e.text }

// forbidden are the addresses that are refused whatever their name: this machine,
// its link, services of clouds that tell their machines secrets, and what is no
// address of one machine.
var forbidden = parsePrefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32", "168.63.129.16/32",
	"::/128", "::1/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
)

func parsePrefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// embedded are prefixes whose addresses hold one of the older kind: where, in bytes.
// In what a network uses for itself it may be in four places (RFC 6052, 2.2; RFC 8215).
var embedded = []struct {
	prefix netip.Prefix
	places [][4]int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), [][4]int{{12, 13, 14, 15}}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}},
	{netip.MustParsePrefix("2002::/16"), [][4]int{{2, 3, 4, 5}}},
	{netip.MustParsePrefix("::/96"), [][4]int{{12, 13, 14, 15}}},
}

// nowhere is what may be in the places that an address does not use: zeros, and what the
// number of a network looks like, such as that of 64:ff9b:1:fffe::/96, whose addresses
// have the checksum of those within. No translation leads to any of it.
var nowhere = parsePrefixes("0.0.0.0/8", "224.0.0.0/3")

// older lists the addresses of the older kind that one may hold.
func older(a netip.Addr) (all []netip.Addr) {
	b := a.As16()
	for _, e := range embedded {
		if !e.prefix.Contains(a) || a == netip.IPv6Unspecified() {
			continue
		}
		for _, p := range e.places {
			all = append(all, netip.AddrFrom4([4]byte{b[p[0]], b[p[1]], b[p[2]], b[p[3]]}))
		}
	}
	if used := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return within(a, nowhere) }); len(used) > 0 {
		return used
	}
	return all
}

// checkAddress refuses an address that a connection is about to be made to. The
// machine's own are those of its interfaces.
func checkAddress(a netip.Addr, exempt []netip.Prefix, own []net.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range exempt {
		if p.Contains(a) {
			return nil
		}
	}
	if !a.IsValid() || within(a, forbidden) || isOwn(a, own) {
		return &refusedError{fmt.Sprintf("the address %s may not be called: it is of the server's machine, its link, or no address of one machine (what may be called all the same: a server's setting calls.exempt)", a)}
	}
	for _, v4 := range older(a) {
		if err := checkAddress(v4, exempt, own); err != nil {
			return err
		}
	}
	return nil
}

// isOwn reports whether an address is of one of the interfaces.
func isOwn(a netip.Addr, own []net.Addr) bool {
	for _, o := range own {
		n, ok := o.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a {
			return true
		}
	}
	return false
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
