package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/internal/loopback"
)

// pages keeps web pages that a browser on this machine shows from using the HTTP
// API: those of other origins, and those that have given this machine's address a
// name of their own (DNS rebinding).
type pages struct {
	origins []string
	hosts   []string
	open    bool // nobody is asked who they are
	cross   *http.CrossOriginProtection
}

func newPages(origins, hosts []string, open bool) (*pages, error) {
	p := &pages{origins: origins, open: open, cross: http.NewCrossOriginProtection()}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err == nil {
			err = p.cross.AddTrustedOrigin(o)
		}
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("%q is no origin of web pages: it is a scheme, a host and maybe a port, such as https://ops.example.com", o)
		}
	}
	for _, h := range hosts {
		p.hosts = append(p.hosts, strings.ToLower(h))
	}
	return p, nil
}

// admits refuses a request that a page has made which may not.
func (p *pages) admits(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if p.open && local != nil && loopback.Host(hostOf(local.String())) {
		if host := hostName(r.Host); !loopback.Host(host) && !slices.Contains(p.hosts, strings.ToLower(host)) {
			return refuse(codes.PermissionDenied, "the request is for the host %.100q, which is not this machine: a page in a browser may have sent it; "+
				"use localhost or 127.0.0.1, or allow the name (hosts)", host)
		}
	}
	if err := p.cross.Check(r); err != nil {
		return refuse(codes.PermissionDenied, "a web page of another origin has sent this: allow the origin if it may (origins)")
	}
	return nil
}

// hostName is a Host header without its port and brackets.
func hostName(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.Trim(header, "[]")
}

// answerHeaders is what browsers are told about each answer.
func (p *pages) answerHeaders(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if len(p.origins) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	if o := r.Header.Get("Origin"); slices.Contains(p.origins, o) {
		h.Set("Access-Control-Allow-Origin", o)
		h.Set("Access-Control-Expose-Headers", "Location, Retry-After, x-ms-continuation-token")
	}
}

// preflight answers the question of a browser whether a page may ask.
func (p *pages) preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || !slices.Contains(p.origins, r.Header.Get("Origin")) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, x-functions-key, x-ms-continuation-token")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
