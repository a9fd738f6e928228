// Package webpage keeps web pages that a browser shows from using an HTTP API: those of
// other origins, and, where nobody is asked who they are, those that have given this
// machine's address a name of their own (DNS rebinding).
package webpage

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/internal/loopback"
)

// Guard says which requests may have come from web pages.
type Guard struct {
	origins []string
	hosts   []string
	open    bool
	cross   *http.CrossOriginProtection
}

// New makes a guard: pages of these origins may use the API, and hosts are names by
// which it is reached beside those of this machine. It is open if nobody is asked who
// they are. The error is of an origin that is none.
func New(origins, hosts []string, open bool) (*Guard, error) {
	g := &Guard{origins: origins, open: open, cross: http.NewCrossOriginProtection()}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err == nil {
			err = g.cross.AddTrustedOrigin(o)
		}
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("%q is no origin of web pages: it is a scheme, a host and maybe a port, such as https://ops.example.com", o)
		}
	}
	for _, h := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g, nil
}

// Admits refuses a request that a page has made which may not; hosts and origins are
// what the settings are called that would let it in.
func (g *Guard) Admits(r *http.Request, hosts, origins string) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if g.open && local != nil && loopback.Host(hostName(local.String())) {
		if host := hostName(r.Host); !loopback.Host(host) && !slices.Contains(g.hosts, strings.ToLower(host)) {
			return fmt.Errorf("the request is for the host %.100q, which is not this machine: a page in a browser may have sent it; "+
				"use localhost or 127.0.0.1, or allow the name (%s)", host, hosts)
		}
	}
	if err := g.cross.Check(r); err != nil {
		return errors.New("a web page of another origin has sent this: allow the origin if it may (" + origins + ")")
	}
	return nil
}

// hostName is an address, or a Host header, without its port and brackets.
func hostName(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.Trim(header, "[]")
}

// Headers is what browsers are told about each answer.
func (g *Guard) Headers(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if len(g.origins) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	if o := r.Header.Get("Origin"); slices.Contains(g.origins, o) {
		h.Set("Access-Control-Allow-Origin", o)
		h.Set("Access-Control-Expose-Headers", "Location, Retry-After, x-ms-continuation-token")
	}
}

// Preflight answers the question of a browser whether a page may ask.
func (g *Guard) Preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || !slices.Contains(g.origins, r.Header.Get("Origin")) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, x-functions-key, x-ms-continuation-token")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
