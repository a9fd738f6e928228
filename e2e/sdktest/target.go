package sdktest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// LargestAnswer is how many bytes an answer to an HTTP call may have at the servers
// of StartCalling.
const LargestAnswer = 4096

// Target is an HTTP server that orchestrations call, and that kills the server that
// calls it:
//
//	POST /lost        kills it before the first answer; then 202, and 200 when polled
//	POST /polled      202; polled it answers 202, kills the server, 202, and 200
//	POST /echo        418 with the header X-Got and the content of the request
//	GET  /accepted    202 with a Location
//	GET  /elsewhere   302 to another host, which may be called as well
//	GET  /large       an answer that is too large
type Target struct {
	URL string // http://HOST:PORT

	mu    sync.Mutex
	s     *Server
	calls map[string][]int // by method and path: how often the server had been killed when each came
	kills int
	other int // requests that went to the other host
}

// StartCalling starts a server whose orchestrations may call a target.
func StartCalling(t *testing.T) (*Server, *Target) {
	t.Helper()
	x := &Target{calls: map[string][]int{}}
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.other++
	}))
	t.Cleanup(other.Close)
	web := httptest.NewUnstartedServer(nil)
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.serve(t, w, r, other.URL) })
	web.Start()
	t.Cleanup(web.Close)
	x.URL = web.URL
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := Start(t, "--calls-hosts", web.URL+","+other.URL+",http://127.0.0.9:"+port, "--calls-exempt", "127.0.0.1/32",
		"--calls-response", fmt.Sprint(LargestAnswer))
	x.mu.Lock()
	x.s = s
	x.mu.Unlock()
	return s, x
}

// serve answers a request.
func (x *Target) serve(t *testing.T, w http.ResponseWriter, r *http.Request, other string) {
	body, _ := io.ReadAll(r.Body) // of a caller that is killed there may be none
	switch n := x.note(r); {
	case r.Method == http.MethodPost && r.URL.Path == "/lost" && n == 1:
		x.kill(t)
	case r.Method == http.MethodPost && (r.URL.Path == "/lost" || r.URL.Path == "/polled"):
		accepted(w, r.URL.Path)
	case r.URL.Path == "/polled" && n <= 2:
		accepted(w, r.URL.Path)
		if n == 1 {
			_ = http.NewResponseController(w).Flush()
			x.kill(t)
		}
	case r.URL.Path == "/lost", r.URL.Path == "/polled":
		_, _ = io.WriteString(w, "done "+r.URL.Path)
	case r.URL.Path == "/echo":
		w.Header().Set("X-Got", r.Header.Get("X-Sent"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(body)
	case r.URL.Path == "/accepted":
		accepted(w, "/never")
	case r.URL.Path == "/elsewhere":
		http.Redirect(w, r, other, http.StatusFound)
	case r.URL.Path == "/large":
		_, _ = io.WriteString(w, strings.Repeat("x", LargestAnswer+1))
	default:
		http.NotFound(w, r)
	}
}

func accepted(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusAccepted)
}

// note counts a request, and returns the how manieth of its kind it is.
func (x *Target) note(r *http.Request) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	x.calls[what] = append(x.calls[what], x.kills)
	return len(x.calls[what])
}

// kill kills the server and starts it again. What comes meanwhile waits.
func (x *Target) kill(t *testing.T) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.s.Kill(t)
	x.kills++
	x.s.Restart(t)
}

// Judge holds that each request has come as often as it should have, and polling
// has gone on after the server was killed.
func (x *Target) Judge(t *testing.T) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.kills != 2 {
		t.Errorf("the server was killed %d times, want 2", x.kills)
	}
	for what, want := range map[string]string{
		"POST /lost":   "[0 1]",   // its answer was lost, so it is made again
		"POST /polled": "[1]",     // its answer was not
		"GET /polled":  "[1 2 2]", // a look before the kill, the others after it
		"GET /never":   "[]",
	} {
		if got := fmt.Sprint(x.calls[what]); got != want {
			t.Errorf("%s came when the server had been killed so often: %s, want %s", what, got, want)
		}
	}
	if x.other != 0 {
		t.Errorf("%d requests have followed a redirect to another host", x.other)
	}
}
