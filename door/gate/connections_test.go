package gate

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// line is a listener with connections of the addresses that are in line, and nothing
// more than that.
type line struct {
	from []string
	ends []net.Conn // of those who came, in order
}

// Accept implements net.Listener.
func (l *line) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, net.ErrClosed
	}
	addr := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(l.from[0]), 1000))
	l.from = l.from[1:]
	ours, theirs := net.Pipe()
	l.ends = append(l.ends, theirs)
	return addressed{ours, addr}, nil
}

// Close implements net.Listener.
func (l *line) Close() error { return nil }

// Addr implements net.Listener.
func (l *line) Addr() net.Addr { return &net.TCPAddr{} }

// addressed is a connection that comes from an address.
type addressed struct {
	net.Conn
	from net.Addr
}

// RemoteAddr implements net.Conn.
func (a addressed) RemoteAddr() net.Addr { return a.from }

func TestThePlaceOfAConnectionThatHasEndedIsForAnotherOne(t *testing.T) {
	const most = 2
	l := &line{}
	bound := NewConnections(most, newTestClock(), slog.New(slog.DiscardHandler)).Listen(l, 0)
	for range 3 {
		var list []net.Conn
		for range most {
			l.from = append(l.from, "192.0.2.1")
			s, err := bound.Accept()
			if err != nil {
				t.Fatalf("one is closed although others have ended: %v", err)
			}
			list = append(list, s)
		}
		for _, s := range list {
			_, _ = s.Close(), s.Close() // the second time gives nothing back
		}
	}
}

// house is a listener with bounds, and those who came in.
type house struct {
	t     *testing.T
	line  line
	bound net.Listener
	in    []*boundConn
}

// bounds checks in the end that nothing is counted any more.
func bounds(t *testing.T, most int) *Connections {
	c := NewConnections(most, newTestClock(), slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if n := len(c.by); c.now != 0 || n != 0 || c.strangers.Len() != 0 || c.spares.Len() != 0 {
			t.Errorf("of %d connections and %d addresses that have ended something is still counted", c.now, n)
		}
	})
	return c
}

func newHouse(t *testing.T, listen func(net.Listener) net.Listener) *house {
	h := &house{t: t}
	h.bound = listen(&h.line)
	t.Cleanup(func() {
		for _, b := range h.in {
			_ = b.Close()
		}
	})
	return h
}

// comes has a connection of an address come in, or reports false if it was closed.
func (h *house) comes(from string) bool {
	h.line.from = append(h.line.from, from)
	c, err := h.bound.Accept()
	if err == nil {
		h.in = append(h.in, c.(*boundConn))
	}
	return err == nil
}

// known has one come in over which a call is made.
func (h *house) known(from string) bool {
	ok := h.comes(from)
	if ok {
		h.in[len(h.in)-1].heard(nil)
	}
	return ok
}

// closed are those who are no longer in, by when they came.
func (h *house) closed() (list []int) {
	for i, b := range h.in {
		if b.left {
			list = append(list, i)
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
				h.t.Errorf("connection %d has no place and is open: %v", i, err)
			}
		}
	}
	return list
}

func (h *house) want(what string, closed ...int) {
	h.t.Helper()
	if got := h.closed(); !slices.Equal(got, closed) {
		h.t.Errorf("%s: connections %v are closed, want %v", what, got, closed)
	}
}

// hold has so many connections of different addresses come in, of callers.
func (h *house) hold(n int) {
	h.t.Helper()
	for i := range n {
		if !h.known(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}).String()) {
			h.t.Fatalf("there is no place for the %dth", i)
		}
	}
}

func plainly(c *Connections) func(net.Listener) net.Listener {
	return func(l net.Listener) net.Listener { return c.Listen(l, 0) }
}

func probed(c *Connections) func(net.Listener) net.Listener {
	return func(l net.Listener) net.Listener { return c.ListenProbed(l, 0) }
}

func TestStrangersMakeRoomAndCallersStay(t *testing.T) {
	c := bounds(t, 4)
	h := newHouse(t, plainly(c))
	h.known("192.0.2.1")
	for _, from := range []string{"192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		h.comes(from)
	}
	h.want("full")
	if !h.comes("192.0.2.5") {
		t.Error("strangers keep somebody out")
	}
	h.want("one came", 1)
	h.in[3].heard(nil) // who was to be the next but one
	h.in[2].heard(refuse(codes.Unauthenticated, "no"))
	h.known("192.0.2.6")
	h.want("another came", 1, 2)
	h.known("192.0.2.7")
	h.want("a third one came", 1, 2, 4)
	if h.comes("192.0.2.8") {
		t.Error("there are five")
	}
	h.want("all are callers", 1, 2, 4)
}

func TestWhoseCredentialsAreNoLongerAcceptedIsAStrangerAgain(t *testing.T) {
	c := bounds(t, 2)
	h := newHouse(t, plainly(c))
	h.hold(2)
	for _, err := range []error{errLater, errOneOf, refuse(codes.Unavailable, "the issuer does not answer"), refuse(codes.ResourceExhausted, "too often")} {
		h.in[0].heard(err)
	}
	if h.comes("192.0.2.3") {
		t.Error("it has lost its place for a call of which nobody can say who made it")
	}
	h.in[0].heard(errors.New("the API key is not known"))
	if !h.comes("192.0.2.3") {
		t.Error("it keeps its place although its key is withdrawn")
	}
	h.want("a key was withdrawn", 0)
}

func TestAnAddressHasHalfOfThePlacesAndLoopbackAll(t *testing.T) {
	for _, group := range [][]string{
		{"192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::"},
	} {
		c := bounds(t, 4)
		h := newHouse(t, plainly(c))
		for _, from := range group[:2] {
			h.known(from)
		}
		if h.comes(group[2]) {
			t.Errorf("%v have more than half", group)
		}
		if !h.comes("192.0.2.2") || !h.comes("2001:db8:0:2::1") {
			t.Errorf("%v keep others out", group)
		}
	}
	c := bounds(t, 4)
	h := newHouse(t, plainly(c))
	h.known("192.0.2.2")
	for range 4 {
		h.comes("192.0.2.1")
	}
	h.want("a crowd of strangers makes room for its own", 1, 2)
	c = bounds(t, 4)
	h = newHouse(t, plainly(c))
	for _, from := range []string{"127.0.0.1", "127.0.0.1", "::1", "127.0.0.1"} {
		if !h.known(from) {
			t.Errorf("%s has less than all", from)
		}
	}
}

func TestProbesHaveRoomBeyondAllPlacesOfCallers(t *testing.T) {
	c := bounds(t, 3)
	callers, h := newHouse(t, plainly(c)), newHouse(t, probed(c))
	callers.hold(3)
	for range spareConnections + 2 {
		if !h.comes("192.0.2.1") {
			t.Fatal("there is no room for a probe")
		}
		if last := h.in[len(h.in)-1]; !Spare(ConnContext(t.Context(), last)) {
			t.Error("a connection beyond the bound is one of a caller")
		}
	}
	h.want("more probes than there is room for", 0, 1)
	h.in[5].heard(nil)
	if !Spare(ConnContext(t.Context(), h.in[5])) {
		t.Error("who has no place has got one by calling")
	}
	callers.want("the callers")
	if callers.comes("192.0.2.2") {
		t.Error("there are four")
	}
	_ = callers.in[0].Close()
	if h.comes("192.0.2.1"); Spare(ConnContext(t.Context(), h.in[len(h.in)-1])) {
		t.Error("a place that is free again is not given")
	}
}

func TestThatThereIsNoRoomIsSaidOnceAMinute(t *testing.T) {
	log, clock := &safeBuffer{}, newTestClock()
	c := NewConnections(2, clock, slog.New(slog.NewTextHandler(log, nil)))
	h := newHouse(t, plainly(c))
	said := func(n int) {
		t.Helper()
		if got := strings.Count(log.String(), "there is no room"); got != n {
			t.Errorf("it is said %d times, want %d:\n%s", got, n, log)
		}
	}
	h.known("192.0.2.1")
	h.comes("192.0.2.2")
	h.known("192.0.2.3") // a stranger has made room
	said(0)
	for range 2 {
		h.comes("192.0.2.4")
	}
	said(1)
	clock.advance(fullAgain)
	h.comes("192.0.2.1")
	said(2)
	if !strings.Contains(log.String(), "from=192.0.2.4 connections=2 most=2 from-one-address=1") {
		t.Error(log)
	}
}

func TestAConnectionIsACallersOnceARequestOverItIsAccepted(t *testing.T) {
	token, hash := newKeyOf(t, "a")
	g, err := New(Options{Authenticators: []Authenticator{keysOf(t, Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{Everywhere: Admin}})}, Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, door := range map[string]http.Handler{"the API": g.HTTP(nothing), "the admin listener": g.Admins(map[string]http.Handler{"GET /metrics": nothing})} {
		h := newHouse(t, probed(bounds(t, 2)))
		h.comes("192.0.2.1")
		for _, c := range []struct {
			token string
			known bool
		}{{"", false}, {token, true}, {token + "x", false}, {token, true}} {
			q := httptest.NewRequestWithContext(ConnContext(t.Context(), h.in[0]), "GET", "http://localhost/metrics", nil)
			q.Header.Set("Authorization", c.token)
			door.ServeHTTP(httptest.NewRecorder(), q)
			if got := h.in[0].known.Load(); got != c.known {
				t.Errorf("%s, credentials %.6q: it is a caller's: %v", name, c.token, got)
			}
		}
	}
}
