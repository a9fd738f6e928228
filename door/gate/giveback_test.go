package gate

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// visits has a caller make so many requests of an operation, each while those before it
// are still under way, and returns how many were let in.
func visits(g *Gate, operation string, n int) (admitted int) {
	if n == 0 {
		return 0
	}
	h := g.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if g.Admit(r, operation, "") == nil {
			admitted = 1 + visits(g, operation, n-1)
		}
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://localhost/", nil))
	return admitted
}

func TestWhatRequestsOverHTTPHadOfALimitIsThereAgainOnceTheyHaveEnded(t *testing.T) {
	for operation, o := range map[string]Options{
		"GET changes":   {Streams: 2, Calls: 100},
		"GET instances": {Streams: 100, Calls: 2},
	} {
		o.Audit = slog.New(slog.DiscardHandler)
		g, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if n := visits(g, operation, 3); n != 2 {
				t.Errorf("%s: %d at a time, want 2, after all of those before have ended (%d)", operation, n, i)
			}
		}
	}
}

func TestAnOperatorsPageCountsAsACallUntilItIsAnswered(t *testing.T) {
	g, err := New(Options{Calls: 2, Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler
	var answered []int // the innermost first
	ask := func() {
		out := httptest.NewRecorder()
		h.ServeHTTP(out, httptest.NewRequest("GET", "http://localhost/metrics", nil))
		answered = append(answered, out.Code)
	}
	h = g.Admins(map[string]http.Handler{"GET /metrics": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if len(answered) == 0 {
			ask()
		}
	})})
	for range 3 {
		answered = nil
		if ask(); !slices.Equal(answered, []int{http.StatusTooManyRequests, http.StatusOK, http.StatusOK}) {
			t.Errorf("three, each while those before it are under way: %v", answered)
		}
	}
}
