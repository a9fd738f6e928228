package durablehttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/durablehttp"
	"github.com/netherite-go/netherite/durable/durabletest"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	goleak.VerifyTestMain(m)
}

// ask is an orchestration of another language: its request goes to the activity as
// it is.
var (
	activity = durable.DeclareActivity[json.RawMessage, durablehttp.Response](durablehttp.ActivityName)
	ask      = durable.Orchestration("Ask", func(ctx *durable.Context, request json.RawMessage) (durablehttp.Response, error) {
		return activity.Call(ctx, request).Await()
	})
)

// askAgain asks again if that may help.
var askAgain = durable.Orchestration("AskAgain", func(ctx *durable.Context, request json.RawMessage) (durablehttp.Response, error) {
	return activity.Call(ctx, request, durable.Retry{Attempts: 3, First: time.Second}).Await()
})

// seen is a request that a server got.
type seen struct {
	method, path, body string
	header             http.Header
}

// target is a server that is called.
type target struct {
	*httptest.Server
	mu    sync.Mutex
	calls []seen
}

func newTarget(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, n int)) *target {
	s := &target{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.calls = append(s.calls, seen{r.Method, r.URL.Path, string(body), r.Header})
		n := len(s.calls)
		s.mu.Unlock()
		serve(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// await lets time pass until there were so many requests: how long an exchange takes
// in real time is not for the virtual clock to say.
func (s *target) await(t *testing.T, h *durabletest.Hub, n int) {
	t.Helper()
	for range 300 {
		if len(s.all()) >= n {
			return
		}
		h.Advance(100 * time.Millisecond)
	}
	t.Fatalf("%d requests, want %d", len(s.all()), n)
}

// pollingBegins returns what waits until polling has begun.
func pollingBegins(t *testing.T, h durable.Hub) func() {
	t.Helper()
	w, err := h.Engine().(engine.Watcher).Watch(engine.WatchOptions{Names: []string{durablehttp.PollName}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return func() {
		t.Helper()
		if _, _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// loopback is what tests may call.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// hub is a hub in virtual time whose orchestrations may call.
func hub(t *testing.T, o durablehttp.Options) *durabletest.Hub {
	t.Helper()
	calls, err := durablehttp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	h := durabletest.New(t, append(calls.Handlers(), ask, askAgain)...)
	calls.Attach(h)
	return h
}

// call starts an orchestration that asks.
func call(t *testing.T, h durable.Hub, request string) *durable.Run[durablehttp.Response] {
	t.Helper()
	run, err := ask.Start(t.Context(), h, json.RawMessage(request))
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestARequestIsMadeAsItIsAskedFor(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("X-Answer", "yes")
		w.Header().Add("Connection", "X-Hop")
		w.Header().Add("X-Hop", "1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and \"stout\"")
	})
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	for _, form := range []string{
		`{"method":"POST","uri":"%s/a?b=c","headers":{"X-One":"1","X-Two":["a","b"],"Connection":"X-Gone","X-Gone":"1","Host":"evil","Transfer-Encoding":"chunked"},"content":"body"}`,
		`[{"Method":{"Method":"post"},"Uri":"%s/a?b=c","Headers":{"x-one":"1","X-Two":"a, b"},"Content":"body","AsynchronousPatternEnabled":false,"tokenSource":null,"timeout":"00:01:00"}]`,
	} {
		got, err := call(t, h, fmt.Sprintf(form, s.URL)).Wait(t.Context())
		if err != nil || got.StatusCode != 418 || got.Content != `short and "stout"` || got.Headers["X-Answer"] != "yes" || got.Headers["X-Hop"] != "" {
			t.Errorf("%s: %+v, %v", form, got, err)
		}
		all := s.all()
		r := all[len(all)-1]
		if r.method != "POST" || r.path != "/a" || r.body != "body" || r.header.Get("X-One") != "1" || r.header.Get("X-Two") != "a, b" || r.header.Get("X-Gone") != "" {
			t.Errorf("%s arrived as %+v", form, r)
		}
	}
}

func TestAnAnswer202IsPolledOverACrash(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n <= 3 {
			w.Header().Set("Location", "/status/1?n="+fmt.Sprint(n))
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = io.WriteString(w, "done")
	})
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	polling := pollingBegins(t, h)
	run := call(t, h, fmt.Sprintf(`{"method":"POST","uri":"%s/start","content":"x","headers":{"Authorization":"Bearer t","x-functions-key":"k","Content-Type":"text/plain"}}`, s.URL))
	polling()
	h.Advance(900 * time.Millisecond)
	if n := len(s.all()); n != 1 {
		t.Fatalf("%d requests before the time that the answer named", n)
	}
	h.Crash()
	s.await(t, h, 2)
	h.Crash()
	s.await(t, h, 4)
	got, err := run.Wait(t.Context())
	if err != nil || got.StatusCode != 200 || got.Content != "done" {
		t.Fatalf("%+v, %v", got, err)
	}
	all := s.all()
	if len(all) != 4 || all[0].method != "POST" {
		t.Fatalf("%d requests, the first is %s", len(all), all[0].method)
	}
	for _, r := range all[1:] {
		if r.method != "GET" || r.path != "/status/1" || r.body != "" || r.header.Get("Authorization") != "Bearer t" || r.header.Get("X-Functions-Key") != "" || r.header.Get("Content-Type") != "" {
			t.Errorf("polled by %+v", r)
		}
	}
}

func TestCredentialsStayAtTheirHost(t *testing.T) {
	other := newTarget(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.Header().Set("Location", "/again") // of this host
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusAccepted)
		}
	})
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.Header().Set("Location", other.URL+"/other")
		w.Header().Set("Retry-After", "1")
		if r.URL.Path == "/redirect" {
			w.WriteHeader(http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL, other.URL}, Exempt: loopback})
	headers := `{"Authorization":"Bearer t","Cookie":"c=1","X-Api-Key":"k","Accept":"text/plain"}`
	run := call(t, h, fmt.Sprintf(`{"method":"GET","uri":"%s","headers":%s}`, s.URL, headers))
	other.await(t, h, 2)
	if got, err := run.Wait(t.Context()); err != nil || got.StatusCode != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, r := range other.all() {
		if r.header.Get("Authorization")+r.header.Get("Cookie")+r.header.Get("X-Api-Key") != "" || r.header.Get("Accept") != "text/plain" {
			t.Errorf("another host got %v", r.header)
		}
	}
	before := len(other.all())
	got, err := call(t, h, fmt.Sprintf(`{"method":"GET","uri":"%s/redirect","headers":%s}`, s.URL, headers)).Wait(t.Context())
	if err != nil || got.StatusCode != 302 || len(other.all()) != before {
		t.Errorf("a redirect to another host: %+v, %v, %d requests there", got, err, len(other.all())-before)
	}
}

func TestRedirectsAtTheSameHostAreFollowed(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if r.URL.Path != "/end" {
			http.Redirect(w, r, map[bool]string{true: "/again", false: "/end"}[r.URL.Path == "/loop" || r.URL.Path == "/again"], http.StatusTemporaryRedirect)
		}
	})
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	for request, want := range map[string]int{
		`{"method":"GET","uri":"%s/a"}`: 200, `{"method":"GET","uri":"%s/loop"}`: 307, `{"method":"POST","uri":"%s/a","content":"x"}`: 307,
	} {
		got, err := call(t, h, fmt.Sprintf(request, s.URL)).Wait(t.Context())
		if err != nil || got.StatusCode != want {
			t.Errorf("%s: %+v, %v, want %d", request, got, err, want)
		}
	}
}

func TestWhatTakesTooLongOrIsTooLargeFails(t *testing.T) {
	hang := make(chan struct{})
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		switch r.URL.Path {
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		case "/hangs":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		default:
			w.Header().Set("Location", "/")
			w.Header().Set("Retry-After", "Tue, 01 Jan 2030 00:00:02 GMT")
			w.WriteHeader(http.StatusAccepted)
		}
	})
	defer close(hang)
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback, MaxResponse: 1000, CallTimeout: 200 * time.Millisecond, PollTimeout: 4 * time.Second})
	for request, want := range map[string]string{
		`{"method":"GET","uri":"%s/large"}`: "larger than 1000 bytes", `{"method":"GET","uri":"%s/hangs"}`: "deadline exceeded",
	} {
		if got, err := call(t, h, fmt.Sprintf(request, s.URL)).Wait(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", request, got, err)
		}
	}
	before := len(s.all())
	polling := pollingBegins(t, h)
	run := call(t, h, fmt.Sprintf(`{"method":"GET","uri":"%s/poll"}`, s.URL))
	polling()
	h.Advance(6 * time.Second)
	if _, err := run.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("polled for ever: %v", err)
	}
	if n := len(s.all()) - before; n < 2 || n > 5 {
		t.Errorf("%d requests", n)
	}
}

// accepts answers 202, with where to ask again and after how many seconds.
func accepts(location string, after int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Location", location)
		w.Header().Set("Retry-After", strconv.Itoa(after))
		w.WriteHeader(http.StatusAccepted)
	}
}

// A hub that is stopped does not wait for what is polled: that goes on with the hub, and
// the first request is not made again.
func TestAHubThatDrainsDoesNotWaitForPolling(t *testing.T) {
	var done atomic.Bool
	s := newTarget(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		if done.Load() {
			_, _ = io.WriteString(w, "done")
			return
		}
		w.Header().Set("Location", "/status")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	})
	dir := t.TempDir()
	h := stored(t, dir, s.URL)
	polling := pollingBegins(t, h)
	run := call(t, h, fmt.Sprintf(`{"method":"POST","uri":"%s/start"}`, s.URL))
	polling()
	if err := h.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	done.Store(true)
	got, err := ask.Attach(stored(t, dir, s.URL), run.ID()).Wait(t.Context())
	if err != nil || got.Content != "done" {
		t.Fatalf("%+v, %v", got, err)
	}
	for n, r := range s.all() {
		if (r.method == "POST") != (n == 0) {
			t.Errorf("request %d is %s %s", n, r.method, r.path)
		}
	}
}

// However many calls are polled at the same time, in a worker however small, there is a
// place for the polling itself.
func TestPollingHasAPlaceBesideThoseWhoWaitForIt(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "done")
			return
		}
		w.Header().Set("Location", "/status")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	})
	for _, places := range []int{1, 2, 5} {
		calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(calls.Close)
		h := durabletest.NewWith(t, []netherite.Option{netherite.Serve(append(calls.Handlers(), ask)...), netherite.Concurrency(0, places)})
		calls.Attach(h)
		var runs []*durable.Run[durablehttp.Response]
		for range 8 {
			runs = append(runs, call(t, h, fmt.Sprintf(`{"method":"POST","uri":"%s"}`, s.URL)))
		}
		for _, run := range runs {
			endsWithin(t, h, run.ID(), time.Hour)
			if got, err := run.Wait(t.Context()); err != nil || got.Content != "done" {
				t.Errorf("%d places: %+v, %v", places, got, err)
			}
		}
	}
	posts := 0
	for _, r := range s.all() {
		if r.method == http.MethodPost {
			posts++
		}
	}
	if posts != 3*8 {
		t.Errorf("%d first requests for 24 calls", posts)
	}
}

// endsWithin lets time pass until an instance has ended.
func endsWithin(t *testing.T, h *durabletest.Hub, id string, limit time.Duration) {
	t.Helper()
	for range limit / time.Second {
		if i, err := h.Engine().Get(t.Context(), id, engine.GetOptions{}); err != nil {
			t.Fatal(err)
		} else if i.Status.Ended() {
			return
		}
		h.Advance(time.Second)
	}
	t.Fatalf("%s has not ended after %v", id, limit)
}

// stored is a hub in a directory whose orchestrations may call a server.
func stored(t *testing.T, dir, url string) *netherite.Hub {
	t.Helper()
	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{url}, Exempt: loopback})
	if err != nil {
		t.Fatal(err)
	}
	h, err := netherite.Open(dir, netherite.Serve(append(calls.Handlers(), ask)...))
	if err != nil {
		t.Fatal(err)
	}
	calls.Attach(h)
	t.Cleanup(func() { _ = h.Close(context.Background()); calls.Close() })
	return h
}

func TestPollingEndsWithItsCaller(t *testing.T) {
	s := newTarget(t, accepts("/", 2))
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	polling := pollingBegins(t, h)
	run := call(t, h, fmt.Sprintf(`{"method":"GET","uri":"%s"}`, s.URL))
	polling()
	h.Advance(time.Second)
	if err := h.Engine().Terminate(t.Context(), engine.TerminateRequest{Instance: run.ID()}); err != nil {
		t.Fatal(err)
	}
	h.Advance(2 * time.Second)
	page, err := h.Engine().Query(t.Context(), engine.Query{Names: []string{durablehttp.PollName}})
	if err != nil || len(page.Instances) != 1 {
		t.Fatalf("polling instances: %v, %v", page.Instances, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if i, err := h.Engine().Wait(ctx, page.Instances[0].ID, engine.UntilEnded, engine.GetOptions{}); err != nil || i.Status != model.Failed {
		t.Errorf("polling has come to %v, %v", i, err)
	}
	if n := len(s.all()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestLongPollingBeginsNewHistories(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 60 {
			w.Header().Set("Location", "/")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusAccepted)
		}
	})
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback, MinRetryAfter: time.Millisecond})
	run := call(t, h, fmt.Sprintf(`{"method":"GET","uri":"%s"}`, s.URL))
	s.await(t, h, 60)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if got, err := run.Wait(ctx); err != nil || got.StatusCode != 200 || len(s.all()) != 60 {
		t.Errorf("%+v, %v after %d requests", got, err, len(s.all()))
	}
}

func TestAFailureSaysWhetherARetryHelps(t *testing.T) {
	s := newTarget(t, func(http.ResponseWriter, *http.Request, int) {})
	s.Close()
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL, "*"}, Exempt: loopback})
	for request, retriable := range map[string]bool{
		fmt.Sprintf(`{"method":"GET","uri":"%s"}`, s.URL): true, `{"method":"GET","uri":"https://127.0.0.2/"}`: false,
		`{"method":"GET"}`: false, `{"method":"GET","uri":"https://h","tokenSource":{"kind":"AzureManagedIdentity"}}`: false,
	} {
		_, err := call(t, h, request).Wait(t.Context())
		var failed *durable.TaskError
		if !errors.As(err, &failed) {
			t.Fatalf("%s: %v", request, err)
		}
		for failed.Cause != nil {
			failed = failed.Cause
		}
		if failed.NonRetriable == retriable {
			t.Errorf("%s: retriable is %v: %v", request, !failed.NonRetriable, err)
		}
	}
}
