package durablehttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable/durablehttp"
	"github.com/netherite-go/netherite/durable/durabletest"
)

// A call that had no place to wait in hears of a failure that is final, and does not begin
// anew.
func TestACallThatComesAgainDoesNotRepeatWhatHasFailedForGood(t *testing.T) {
	s := newTarget(t, accepts("/status", 1))
	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback, PollTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	h := durabletest.NewWith(t, []netherite.Option{netherite.Serve(append(calls.Handlers(), ask)...), netherite.Concurrency(0, 1)})
	calls.Attach(h)
	run := call(t, h, fmt.Sprintf(`{"method":"POST","uri":"%s"}`, s.URL))
	endsWithin(t, h, run.ID(), time.Hour)
	if _, err := run.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("it ends with %v", err)
	}
	for n, r := range s.all() {
		if (r.method == http.MethodPost) != (n == 0) {
			t.Errorf("request %d is %s", n, r.method)
		}
	}
}

// A call that had no place to wait in hears of a failure that a retry might help as well:
// whether there is one is for its orchestration to say.
func TestACallThatComesAgainDoesNotRepeatWhatHasFailed(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if r.Method == http.MethodGet {
			panic(http.ErrAbortHandler)
		}
		accepts("/status", 1)(w, r, n)
	})
	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	h := durabletest.NewWith(t, []netherite.Option{netherite.Serve(append(calls.Handlers(), ask)...), netherite.Concurrency(0, 1)})
	calls.Attach(h)
	run := call(t, h, fmt.Sprintf(`{"method":"POST","uri":"%s"}`, s.URL))
	endsWithin(t, h, run.ID(), 2*time.Hour)
	if _, err := run.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("it ends with %v", err)
	}
	for n, r := range s.all() {
		if (r.method == http.MethodPost) != (n == 0) {
			t.Fatalf("request %d is %s", n, r.method)
		}
	}
}
