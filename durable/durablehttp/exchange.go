package durablehttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxRedirects bounds the redirects that are followed, all at the same host.
const maxRedirects = 5

// hopByHop are headers of one connection, which are neither sent on nor handed back.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Host", "Content-Length", "Expect",
}

// plainHeaders are those that go to another host than the caller named.
var plainHeaders = map[string]bool{"Accept": true, "Accept-Language": true, "User-Agent": true}

// exchanger makes single exchanges.
type exchanger struct {
	o      *Options
	hosts  hosts
	client *http.Client
}

func newExchanger(o *Options) (*exchanger, error) {
	list, err := parseHosts(o.Hosts)
	if err != nil {
		return nil, err
	}
	x := &exchanger{o: o, hosts: list}
	dialer := &net.Dialer{Timeout: 10 * time.Second, Resolver: o.Resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &refusedError{fmt.Sprintf("the address %q may not be called: it is none", address)}
		}
		own, err := net.InterfaceAddrs()
		if err != nil {
			return fmt.Errorf("find out the machine's own addresses: %w", err)
		}
		return checkAddress(at.Addr(), o.Exempt, own)
	}}
	x.client = &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: o.TLS, TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns: 100, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 256 << 10,
		},
		CheckRedirect: x.redirect,
	}
	return x, nil
}

// redirect follows redirects of what changes nothing, at the same host; others are
// the answer.
func (x *exchanger) redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || first.Method != http.MethodGet && first.Method != http.MethodHead || !sameHost(next.URL, first.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// do makes one exchange.
func (x *exchanger) do(ctx context.Context, r *Request) (*Response, error) {
	u, err := r.address()
	if err != nil {
		return nil, &refusedError{err.Error()}
	}
	if err := x.hosts.allow(u); err != nil {
		return nil, err
	}
	limit := x.o.CallTimeout
	if r.Timeout > 0 {
		limit = min(limit, r.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var body io.Reader
	if r.Content != nil {
		body = strings.NewReader(*r.Content)
	}
	q, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, &refusedError{err.Error()}
	}
	for name, v := range r.Headers { // order-free: fills a map
		q.Header.Set(name, v)
	}
	strip(q.Header)
	if q.Header.Get("User-Agent") == "" {
		q.Header.Set("User-Agent", "netherite")
	}
	got, err := x.client.Do(q)
	if err != nil {
		return nil, failed(u, err)
	}
	defer got.Body.Close()
	return x.read(u, got)
}

// failed describes why there is no answer, without the address's query, which may
// hold a secret.
func failed(u *url.URL, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if r, ok := errors.AsType[*refusedError](err); ok {
		return r
	}
	return fmt.Errorf("call %s://%s: %w", u.Scheme, u.Host, err)
}

// read takes an answer, up to the bound.
func (x *exchanger) read(u *url.URL, got *http.Response) (*Response, error) {
	content, err := io.ReadAll(io.LimitReader(got.Body, x.o.MaxResponse+1))
	if err != nil {
		return nil, failed(u, err)
	}
	if int64(len(content)) > x.o.MaxResponse {
		return nil, &refusedError{fmt.Sprintf("the answer of %s://%s is larger than %d bytes (a server's setting calls.response)", u.Scheme, u.Host, x.o.MaxResponse)}
	}
	strip(got.Header)
	out := &Response{StatusCode: got.StatusCode, Headers: map[string]string{}, Content: strings.ToValidUTF8(string(content), "\uFFFD")}
	for name, list := range got.Header { // order-free: fills a map
		out.Headers[name] = strings.Join(list, ", ")
	}
	return out, nil
}

// strip removes what is of one connection.
func strip(h http.Header) {
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// next is the request that follows an answer 202; nil if there is nothing to poll.
// Another host than the caller named gets none of the caller's headers that might be
// credentials.
func next(r *Request, got *Response) (*Request, error) {
	location := got.Headers["Location"]
	if got.StatusCode != http.StatusAccepted || !r.Poll || location == "" {
		return nil, nil
	}
	from, err := r.address()
	if err != nil {
		return nil, err
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("the Location %.100q of the answer cannot be read: %w", location, err)
	}
	to.Fragment = ""
	if _, err := address(to.String()); err != nil {
		return nil, err
	}
	n := &Request{Method: http.MethodGet, URI: to.String(), Headers: map[string]string{}, Poll: true, Timeout: r.Timeout}
	for name, v := range r.Headers { // order-free: fills a map
		if name != "X-Functions-Key" && name != "Content-Type" && (sameHost(from, to) || plainHeaders[name]) {
			n.Headers[name] = v
		}
	}
	return n, nil
}
