package gate

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// changing accepts what the current set of keys does.
type changing struct{ now atomic.Pointer[Keys] }

func (c *changing) Authenticate(q *Credentials) (*Principal, error) {
	return c.now.Load().Authenticate(q)
}

// open opens a stream that lasts until its caller or the gate ends it.
func open(t *testing.T, clock *testClock, auth Authenticator, token string) (ended chan error) {
	t.Helper()
	begun := make(chan struct{})
	s := &service{work: func(stream grpc.ServerStreamingServer[wire.WorkItem]) error {
		close(begun)
		<-stream.Context().Done()
		return nil
	}}
	c, _ := serve(t, s, Options{Clock: clock, Authenticators: []Authenticator{auth}, DefaultHub: "orders"})
	w, err := c.GetWorkItems(metadata.AppendToOutgoingContext(t.Context(), "authorization", token), &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	ended = make(chan error, 1)
	go func() {
		_, err := w.Recv()
		ended <- err
	}()
	return ended
}

func TestTheStreamOfAKeyThatIsWithdrawnEnds(t *testing.T) {
	token, hash := newKeyOf(t, "a")
	_, other := newKeyOf(t, "a")
	for name, c := range map[string]struct {
		after Key
		want  codes.Code
	}{
		"withdrawn":    {Key{Name: "a", Hashes: []string{other}, Roles: map[string]Role{"orders": Worker}}, codes.Unauthenticated},
		"a lower role": {Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{"orders": Client}}, codes.PermissionDenied},
		"another hub":  {Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{"other": Worker}}, codes.PermissionDenied},
	} {
		clock, keys := newTestClock(), &changing{}
		keys.now.Store(keysOf(t, Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{"orders": Worker}}))
		ended := open(t, clock, keys, token)
		clock.advance(lookAgain)
		select {
		case err := <-ended:
			t.Fatalf("%s: it ended before: %v", name, err)
		default:
		}
		keys.now.Store(keysOf(t, c.after))
		clock.advance(lookAgain)
		if err := <-ended; status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTheStreamOfAKeyEndsWithinAMinuteOfItsExpiry(t *testing.T) {
	token, hash := newKeyOf(t, "a")
	clock := newTestClock()
	ended := open(t, clock, keysOf(t, Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{"orders": Worker}, Expires: begin.Add(lookAgain + 1)}), token)
	clock.advance(lookAgain)
	select {
	case err := <-ended:
		t.Fatalf("it ended before: %v", err)
	default:
	}
	clock.advance(lookAgain)
	if err := <-ended; status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "has expired at 2030-01-01T00:01:00Z") {
		t.Error(err)
	}
}

func TestTheStreamOfATokenEndsWithItAndNotWithItsIssuer(t *testing.T) {
	i, key, clock := newIssuer(t), rsaKeys()[0], newTestClock()
	i.set(false, public("one", key))
	claims := with("exp", begin.Add(10*time.Minute).Unix())
	ended := open(t, clock, tokensOf(t, i, clock), sign(t, map[string]any{"alg": "RS256", "kid": "one"}, claims, rs256(key)))
	i.set(true)
	for range 9 {
		clock.advance(lookAgain)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before its token: %v", err)
	default:
	}
	clock.advance(2 * lookAgain)
	if err := <-ended; status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
}

func TestAStreamOverHTTPEndsWhenItsKeyIsWithdrawn(t *testing.T) {
	token, hash := newKeyOf(t, "a")
	_, other := newKeyOf(t, "a")
	clock, keys := newTestClock(), &changing{}
	keys.now.Store(keysOf(t, Key{Name: "a", Hashes: []string{hash}, Roles: map[string]Role{"orders": Reader}}))
	g, err := New(Options{Clock: clock, Authenticators: []Authenticator{keys}, Audit: slog.New(slog.DiscardHandler), DefaultHub: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	const operation = "/TaskHubSidecarService/StreamInstanceHistory" // any that is a stream
	s := httptest.NewServer(g.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.Admit(r, operation, ""); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	})))
	defer s.Close()
	q, err := http.NewRequestWithContext(context.Background(), "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", token)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	clock.advance(lookAgain)
	keys.now.Store(keysOf(t, Key{Name: "a", Hashes: []string{other}, Roles: map[string]Role{"orders": Reader}}))
	clock.advance(lookAgain)
	if _, err := io.ReadAll(a.Body); err != nil { // until it ends
		t.Error(err)
	}
}
