package owner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestEveryMethodRoundTrips(t *testing.T) {
	r := &recorder{}
	_, c := opened(t, t.TempDir(), r)
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(7, 7))
	seen := map[string]bool{}
	// same checks what the hub was asked and what the caller got.
	same := func(call string, err error, got any, asked ...any) {
		t.Helper()
		seen[call] = true
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		if r.call != call || !reflect.DeepEqual(r.args, asked) {
			t.Fatalf("%s(%#v) arrived as %s(%#v)", call, asked, r.call, r.args)
		}
		if !reflect.DeepEqual(got, r.answer) {
			t.Fatalf("%s: answer %#v arrived as %#v", call, r.answer, got)
		}
	}
	for range 30 {
		id, reason, flag := random[string](rng), random[string](rng), rng.IntN(2) == 0
		q, o := random[engine.Query](rng), random[engine.GetOptions](rng)

		start := random[engine.StartRequest](rng)
		r.answer = random[engine.Started](rng)
		started, err := c.Start(ctx, start)
		same("Start", err, started, start)

		r.answer = rng.IntN(1000)
		n, err := c.Purge(ctx, id, flag)
		same("Purge", err, n, id, flag)
		r.also = reason
		n, token, err := c.PurgeWhere(ctx, q)
		same("PurgeWhere", err, n, q)
		if token != reason {
			t.Fatalf("PurgeWhere: token %q arrived as %q", reason, token)
		}

		r.answer = new(random[model.Instance](rng))
		m, err := c.Get(ctx, id, o)
		same("Get", err, m, id, o)
		m, err = c.Wait(ctx, id, engine.UntilStarted, o)
		same("Wait", err, m, id, engine.UntilStarted, o)
		r.answer = random[[]model.Event](rng)
		events, err := c.History(ctx, id)
		same("History", err, events, id)
		r.answer = random[engine.Page](rng)
		page, err := c.Query(ctx, q)
		same("Query", err, page, q)
		r.answer = random[engine.Cleaned](rng)
		clean := random[engine.CleanOptions](rng)
		cleaned, err := c.CleanEntities(ctx, clean)
		same("CleanEntities", err, cleaned, clean)

		r.answer = nil
		raise, signal, end := random[engine.RaiseRequest](rng), random[engine.SignalRequest](rng), random[engine.TerminateRequest](rng)
		same("Raise", c.Raise(ctx, raise), nil, raise)
		same("Signal", c.Signal(ctx, signal), nil, signal)
		same("Terminate", c.Terminate(ctx, end), nil, end)
		same("Suspend", c.Suspend(ctx, id, reason), nil, id, reason)
		same("Resume", c.Resume(ctx, id, reason), nil, id, reason)
		same("Rewind", c.Rewind(ctx, id, reason), nil, id, reason)
	}
	contract := reflect.TypeFor[engine.Client]()
	for i := range contract.NumMethod() {
		if name := contract.Method(i).Name; !seen[name] || methods[name] == nil {
			t.Errorf("method %s of the contract is not carried, or not tested", name)
		}
	}
}

func TestNilAndEmptyPayloadsStayApart(t *testing.T) {
	r := &recorder{}
	_, c := opened(t, t.TempDir(), r)
	for _, p := range [][]byte{nil, {}, []byte("null"), {0xff, 0}} {
		if err := c.Raise(t.Context(), engine.RaiseRequest{Instance: "i", Event: "e", Payload: p}); err != nil {
			t.Fatal(err)
		}
		if got := r.args[0].(engine.RaiseRequest).Payload; !reflect.DeepEqual(got, p) {
			t.Errorf("payload %#v arrived as %#v", p, got)
		}
		r.answer = &model.Instance{Output: p}
		m, err := c.Get(t.Context(), "i", engine.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m.Output, p) {
			t.Errorf("output %#v arrived as %#v", p, m.Output)
		}
	}
}

func TestErrorsKeepTheirSentinelAndText(t *testing.T) {
	r := &recorder{}
	_, c := opened(t, t.TempDir(), r)
	// Those that a call of a client can come to.
	sentinels := []error{
		engine.ErrNotFound, engine.ErrExists, engine.ErrEnded, engine.ErrNotFailed, engine.ErrInvalid, engine.ErrTooLarge,
		engine.ErrClosed, engine.ErrBusy, engine.ErrDiskFull, engine.ErrUnavailable, engine.ErrOutcomeUnknown,
		engine.ErrDamaged, engine.ErrQuarantined, context.DeadlineExceeded, context.Canceled,
	}
	for _, want := range sentinels {
		r.err = errors.Join(errors.New(`start "x"`), want)
		_, err := c.Start(t.Context(), engine.StartRequest{})
		if !errors.Is(err, want) || err.Error() != r.err.Error() {
			t.Errorf("error %q arrived as %q", r.err, err)
		}
		for _, other := range sentinels {
			if other != want && errors.Is(err, other) {
				t.Errorf("%q arrived as %q too", want, other)
			}
		}
	}
	r.err = errors.New("something else")
	if _, err := c.Start(t.Context(), engine.StartRequest{}); err == nil || err.Error() != "something else" {
		t.Errorf("an error without a code arrived as %v", err)
	}
}

func TestPartialResultArrivesWithItsError(t *testing.T) {
	hub := &recorder{
		answer: engine.Page{Instances: []*model.Instance{{ID: "a"}}, Token: "more"},
		err:    fmt.Errorf("query: %w", &engine.PartialError{Partitions: []int{3, 5}, Reason: engine.ErrUnavailable}),
	}
	_, c := opened(t, t.TempDir(), hub)
	page, err := c.Query(t.Context(), engine.Query{})
	partial, ok := errors.AsType[*engine.PartialError](err)
	if !ok || !slices.Equal(partial.Partitions, []int{3, 5}) || !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("error: %v", err)
	}
	if len(page.Instances) != 1 || page.Token != "more" {
		t.Errorf("page: %+v", page)
	}
}

func TestEndOfCallersContextEndsTheCallAtTheHub(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	r := &recorder{block: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}
	_, c := opened(t, t.TempDir(), r)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.Wait(ctx, "i", engine.UntilEnded, engine.GetOptions{})
		result <- err
	}()
	<-began
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoAnswer) {
		t.Errorf("Wait: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("at the hub: %v", err)
	}
}

func TestCloseEndsCallsUnderWay(t *testing.T) {
	const callers = 8
	var began, running sync.WaitGroup
	began.Add(callers)
	running.Add(callers)
	r := &blocking{block: func(ctx context.Context) error {
		began.Done()
		defer running.Done()
		<-ctx.Done()
		return ctx.Err()
	}}
	dir := t.TempDir()
	s, c := opened(t, dir, r)
	results := make(chan error, callers)
	for range callers {
		go func() {
			_, err := c.Wait(t.Context(), "i", engine.UntilEnded, engine.GetOptions{})
			results <- err
		}()
	}
	began.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	running.Wait() // at once: Close has waited for them
	for range callers {
		if err := <-results; !errors.Is(err, ErrNoAnswer) {
			t.Errorf("Wait: %v, want ErrNoAnswer", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
	if _, err := Dial(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Dial after Close: %v", err)
	}
	if err := c.Raise(t.Context(), engine.RaiseRequest{}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("call after Close: %v, want ErrNoAnswer", err)
	}
}

// blocking is a recorder without a memory, for concurrent calls.
type blocking struct {
	recorder
	block func(context.Context) error
}

// Wait implements engine.Client.
func (b *blocking) Wait(ctx context.Context, _ string, _ engine.Until, _ engine.GetOptions) (*model.Instance, error) {
	return nil, b.block(ctx)
}

func TestUnknownCallIsRefusedByName(t *testing.T) {
	_, c := opened(t, t.TempDir(), &recorder{})
	err := c.post(t.Context(), "Explode", 1, nil)
	if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), `"/v1/Explode"`) {
		t.Errorf("unknown method: %v", err)
	}
	if err = c.post(t.Context(), "../v2/Start", 1, nil); err == nil {
		t.Error("a call of another version of the protocol was answered")
	}
	if err = c.post(t.Context(), "Start", "not a request", nil); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("arguments of the wrong type: %v", err)
	}
}

func TestOversizedRequestIsRefused(t *testing.T) {
	const limit = 10_000
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	s := serve(l, r, nil, limit)
	t.Cleanup(func() { _ = s.Close() })
	c, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	huge := engine.RaiseRequest{Instance: "i", Event: "e", Payload: make([]byte, maxRequest)}
	if err := c.Raise(t.Context(), huge); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("oversized request: %v", err)
	}
	// What the caller lets pass is checked by the hub.
	conn := rawDial(t, dir)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://owner/v1/Raise", strings.NewReader(strings.Repeat(" ", limit+1)))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = req.Write(conn) }() // the hub may close before it has read all
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(answer[:n]); !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, "too-large") {
		t.Errorf("oversized request answered with %q", got)
	}
	if r.call != "" {
		t.Errorf("an oversized %s was carried out", r.call)
	}
}
