package durablehttp_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable/durablehttp"
)

// What an answer may cost is bounded in what it comes to, not in what was sent.
func TestAnAnswerIsBoundedHoweverItComes(t *testing.T) {
	const most = 1000
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 300<<10))
		case "/many":
			for range 40_000 {
				w.Header().Add("X-Many", "12345678")
			}
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, strings.Repeat("x", 100*most))
			_ = z.Close()
		case "/cut":
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, "short")
		}
	}))
	defer s.Close()
	x, err := durablehttp.Exchanger(durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback, MaxResponse: most})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for path, want := range map[string]string{
		"/headers": "response headers exceeded", "/many": "response headers exceeded", "/packed": "larger than 1000 bytes (a server's setting calls.response)", "/cut": "unexpected EOF",
	} {
		got, err := x.Do(t.Context(), &durablehttp.Request{Method: "GET", URI: s.URL + path})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", path, got, err, want)
		}
	}
}

func TestPollingGoesOnlyToListedHosts(t *testing.T) {
	s := newTarget(t, accepts("https://elsewhere.example/status", 1))
	h := hub(t, durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	polling := pollingBegins(t, h)
	run, err := askAgain.Start(t.Context(), h, json.RawMessage(`{"method":"POST","uri":"`+s.URL+`/start"}`))
	if err != nil {
		t.Fatal(err)
	}
	polling()
	h.Advance(2 * time.Second)
	if got, err := run.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "https://elsewhere.example may not be called") {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(s.all()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
