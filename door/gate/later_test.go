package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// heldIssuer is an issuer whose answers can be held up.
func heldIssuer(t *testing.T, clock *testClock) (i *issuer, tokens *Tokens, asked chan chan struct{}) {
	t.Helper()
	i, asked = newIssuer(t), make(chan chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan struct{})
		asked <- answer
		<-answer
		http.Redirect(w, r, i.url, http.StatusFound)
	}))
	t.Cleanup(s.Close)
	tokens = tokensOf(t, i, clock)
	tokens.keys.url, tokens.keys.client.CheckRedirect = s.URL, nil
	return i, tokens, asked
}

func bearing(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token, "taskhub", "orders")
}

// forged makes tokens of keys that nobody has.
func forged(t *testing.T, n int) string {
	t.Helper()
	return sign(t, map[string]any{"alg": "RS256", "kid": fmt.Sprint("made up ", n)}, goodClaims(), rs256(rsaKeys()[1]))
}

func TestKeysAreFetchedBeforeAnythingOfAMessageHasCome(t *testing.T) {
	i, key := newIssuer(t), rsaKeys()[0]
	i.set(false, public("one", key))
	clock := newTestClock()
	g, conn, _ := serveConn(t, answering(), Options{Authenticators: []Authenticator{tokensOf(t, i, clock)}, Clock: clock, DefaultHub: "default"})
	for n := range laterCalls + 1 { // more than may wait at a time; none of them sends a message
		s := silent(bearing(t.Context(), forged(t, n)), t, conn, getInstance)
		if err := s.RecvMsg(&wire.GetInstanceResponse{}); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if n%2 == 0 { // each other one is after an answer of the issuer
			clock.advance(keysPause)
		}
	}
	if i.asked.Load() == 0 || len(g.later) != 0 {
		t.Errorf("the issuer was asked %d times, %d wait", i.asked.Load(), len(g.later))
	}
	s := silent(bearing(t.Context(), sign(t, map[string]any{"alg": "RS256", "kid": "one"}, goodClaims(), rs256(key))), t, conn, getInstance)
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(&wire.GetInstanceResponse{}); status.Code(err) != codes.Internal { // let in, and sends nothing
		t.Error(err)
	}
}

func TestTokensOfKnownKeysDoNotQueueBehindOthers(t *testing.T) {
	clock, key := newTestClock(), rsaKeys()[0]
	i, tokens, asked := heldIssuer(t, clock)
	i.set(false, public("one", key))
	g, conn, _ := serveConn(t, answering(), Options{Authenticators: []Authenticator{tokens}, Clock: clock, DefaultHub: "default"})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	call := func(subject string) error {
		token := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, with("sub", subject), rs256(key))
		_, err := c.GetInstance(bearing(t.Context(), token), &wire.GetInstanceRequest{})
		return err
	}
	go func() { close(<-asked) }()
	if err := call("first"); err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{keysPause, keysFresh} {
		clock.advance(age)
		ctx, cancel := context.WithCancel(t.Context())
		for n := range laterCalls {
			silent(bearing(ctx, forged(t, n)), t, conn, getInstance)
		}
		until(func() bool { return len(g.later) == laterCalls })
		answer := <-asked // which it gives only when the others are through
		if s := silent(bearing(ctx, forged(t, -1)), t, conn, getInstance); age == keysPause {
			if err := s.RecvMsg(&wire.GetInstanceResponse{}); status.Code(err) != codes.Unavailable {
				t.Errorf("one too many: %v", err)
			}
		}
		ended := make(chan error, 1)
		if age == keysFresh { // one of those whose key is old waits for the same answer
			go func() { ended <- call("one") }()
			until(func() bool { return !tokens.keys.wouldAsk() })
		}
		if err := call(fmt.Sprint("at ", age)); err != nil {
			t.Errorf("after %v: %v", age, err)
		}
		close(answer)
		if age == keysFresh {
			if err := <-ended; err != nil {
				t.Errorf("the one who waits: %v", err)
			}
		}
		cancel()
		until(func() bool { return len(g.later) == 0 })
	}
}

// wouldAsk reports whether the next caller whose key is old is the one who asks.
func (k *issuerKeys) wouldAsk() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told == 0 || k.clock.Mono()-k.told >= keysTimeout
}

func TestStreamsAreGivenBack(t *testing.T) {
	s := giver()
	s.work = func(stream grpc.ServerStreamingServer[wire.WorkItem]) error { return stream.Send(&wire.WorkItem{}) }
	g, conn, _ := serveConn(t, s, Options{Streams: 2})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	for range 5 {
		w, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{MaxConcurrentActivityWorkItems: 1})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = w.Recv()
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	for _, b := range []*inbound{g.inbound, g.answers} {
		if n, _, bytes := b.state(); n != 0 || bytes != 0 {
			t.Errorf("%d messages are coming, of %d bytes", n, bytes)
		}
	}
}
