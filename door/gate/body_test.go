package gate

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// A body has room before it is read, and for what it is until its request has ended: more
// than their caller may have of them are not read at a time.
func TestNoMoreOfBodiesIsReadThanTheirCallerMayHave(t *testing.T) {
	const most, size = 64 << 10, 40 << 10
	g, err := New(Options{Message: most, Body: most, Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	has, release := make(chan int, 3), make(chan struct{})
	s := httptest.NewServer(g.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		has <- len(b)
		<-release
	})))
	defer s.Close()
	ended := make(chan error, 3)
	ask := func(body io.Reader) {
		answer, err := http.Post(s.URL, "text/plain", body)
		if err == nil {
			err = answer.Body.Close()
		}
		ended <- err
	}
	sized := func() io.Reader { return bytes.NewReader(make([]byte, size)) }
	go ask(sized())
	<-has
	go ask(io.MultiReader(sized())) // nobody says how long it is
	go ask(sized())
	until(func() bool { _, n, _ := g.inbound.state(); return n == 2 })
	if _, _, n := g.inbound.state(); n != size {
		t.Errorf("%d bytes have room", n)
	}
	close(release)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if n := <-has; n != size {
			t.Errorf("%d bytes have been read", n)
		}
	}
	until(func() bool { _, w, n := g.inbound.state(); return w == 0 && n == 0 })
}

// Who finds no room waits as long as a body may take to come.
func TestABodyDoesNotWaitForRoomWithoutEnd(t *testing.T) {
	clock := newTestClock()
	g, err := New(Options{Message: 10, Body: 10, Clock: clock, Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		Answer(w, err)
	})))
	defer s.Close()
	first := entered(t, g.inbound, "127.0.0.1", 10)
	if err := g.inbound.came(first); err != nil {
		t.Fatal(err)
	}
	go func() {
		until(func() bool { _, n, _ := g.inbound.state(); return n == 1 })
		clock.advance(bodyTime)
	}()
	answer, err := http.Post(s.URL, "text/plain", bytes.NewReader(make([]byte, 10)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusTooManyRequests || !bytes.Contains(text, []byte("no room for the body")) {
		t.Errorf("%s, %s, %v", answer.Status, text, err)
	}
	until(func() bool { _, w, n := g.inbound.state(); return w == 0 && n == 10 })
	g.inbound.end(first)
}

// late is a clock by which the time of a body is over when it begins.
type late struct{ substrate.Clock }

func (c late) Wall() time.Time { return c.Clock.Wall().Add(-bodyTime) }

// net/http reads what a handler has left of a body. It does not wait for what has not come
// in its time, or the connection would stay for as long as the other side likes.
func TestABodyThatDoesNotComeEndsItsConnection(t *testing.T) {
	g, err := New(Options{Clock: late{sysclock.New()}, Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // until it ends
		t.Error(err)
	}
}

// What a handler has closed is no body any more: others have its room while the request
// goes on, which may wait for long.
func TestABodyThatIsClosedHasNoRoom(t *testing.T) {
	g, err := New(Options{Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	has := make(chan int64, 3)
	s := httptest.NewServer(g.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		count := func() { _, _, n := g.inbound.state(); has <- n }
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		count()
		for range 2 {
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			count()
		}
	})))
	defer s.Close()
	answer, err := http.Post(s.URL, "text/plain", bytes.NewReader(make([]byte, 100)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if a, b, c := <-has, <-has, <-has; a != 100 || b != 0 || c != 0 {
		t.Errorf("room for %d bytes, then %d, then %d", a, b, c)
	}
}
