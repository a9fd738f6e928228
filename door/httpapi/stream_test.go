package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// reader reads server-sent events.
type reader struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

// sent is one event, or a comment.
type sent struct{ kind, id, data string }

func (a *api) stream(query string, header ...string) *reader {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", a.server.URL+httpapi.Base+"/changes"+query, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := a.server.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		a.t.Fatalf("%d %s", got.StatusCode, got.Header.Get("Content-Type"))
	}
	s := &reader{t: a.t, lines: bufio.NewScanner(got.Body), close: func() {
		cancel()
		_ = got.Body.Close()
	}}
	a.t.Cleanup(s.close)
	return s
}

// next is the next event; its kind is empty at the end, and "comment" for one.
func (s *reader) next() (e sent) {
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if value != "" {
				e.kind, e.data = "comment", value
			}
			if e.kind != "" && (value == "") {
				return e
			}
		}
	}
	return e
}

// changes are the next n events as "ID status".
func (s *reader) changes(n int) (list []string, id string) {
	s.t.Helper()
	for range n {
		e := s.next()
		var c struct {
			InstanceID, RuntimeStatus string
			Gone                      bool
		}
		if err := json.Unmarshal([]byte(e.data), &c); err != nil || e.kind != "change" {
			s.t.Fatalf("%+v: %v", e, err)
		}
		if c.Gone {
			c.RuntimeStatus = "Gone"
		}
		list, id = append(list, c.InstanceID+" "+c.RuntimeStatus), e.id
	}
	return list, id
}

func (s *reader) expect(kind, data string) {
	s.t.Helper()
	if e := s.next(); e.kind != kind || !strings.Contains(e.data, data) {
		s.t.Fatalf("%+v, want %s %s", e, kind, data)
	}
}

func TestAStreamTellsWhatChanges(t *testing.T) {
	a := serve(t, httpapi.Options{})
	all, one := a.stream(""), a.stream("?instanceId=x&runtimeStatus=Terminated")
	named, prefixed := a.stream("?name=Other&name=Nobody"), a.stream("?instanceIdPrefix=y")
	for _, s := range []*reader{all, one, named, prefixed} {
		s.expect("ready", `{"resumed":false}`)
	}
	a.must(202, "POST", "orchestrators/Nobody/x", "")
	got, _ := all.changes(1)
	a.must(202, "POST", "instances/x/suspend", "")
	more, _ := all.changes(1)
	a.must(202, "POST", "instances/x/terminate", "")
	end, _ := all.changes(1)
	a.must(200, "DELETE", "instances/x", "")
	gone, _ := all.changes(1)
	want := []string{"x Pending", "x Suspended", "x Terminated", "x Gone"}
	if got := slices.Concat(got, more, end, gone); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if got, _ := one.changes(1); got[0] != "x Terminated" && got[0] != "x Gone" {
		t.Errorf("of its end told %q", got)
	}
	a.must(202, "POST", "orchestrators/Nobody/y1", "")
	if got, _ := prefixed.changes(1); got[0] != "y1 Pending" {
		t.Errorf("of a prefix told %q", got)
	}
	for _, query := range []string{"?runtimeStatus=Sleeping", "?buffer=0", "?entities=x", "?createdTimeFrom=2020-01-01"} {
		a.must(400, "GET", "changes"+query, "")
	}
}

func TestAStreamIsResumedFromItsLastEvent(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.must(202, "POST", "orchestrators/Nobody/before", "")
	first := a.stream("?name=Nobody")
	first.expect("ready", "")
	a.must(202, "POST", "orchestrators/Nobody/x", "")
	_, id := first.changes(1)
	first.close()
	a.must(202, "POST", "instances/x/suspend", "")
	a.must(202, "POST", "orchestrators/Nobody/y", "")
	a.must(202, "POST", "orchestrators/Waits/other", "")
	second := a.stream("?name=Nobody", "Last-Event-ID", id)
	second.expect("ready", `{"resumed":true}`)
	got, _ := second.changes(3) // with what changed shortly before
	slices.Sort(got)
	if want := []string{"before Pending", "x Suspended", "y Pending"}; !slices.Equal(got, want) {
		t.Errorf("resumed with %q, want %q", got, want)
	}
	a.must(202, "POST", "instances/x/resume", "")
	if got, _ := second.changes(1); got[0] != "x Pending" {
		t.Errorf("then told %q", got)
	}
	one := a.stream("?instanceId=x", "Last-Event-ID", id)
	one.expect("ready", "")
	if got, _ := one.changes(1); got[0] != "x Pending" {
		t.Errorf("of one instance resumed with %q", got)
	}
	odd := a.stream("", "Last-Event-ID", "seven")
	odd.expect("ready", "")
	odd.expect("lost", `no event \"seven\"`)
}

func TestAQuietStreamSaysThatItIsAlive(t *testing.T) {
	a := serve(t, httpapi.Options{Heartbeat: time.Millisecond})
	s := a.stream("")
	s.expect("ready", "")
	s.expect("comment", "alive")
	s.expect("comment", "alive")
}

func TestDrainEndsWhatWaits(t *testing.T) {
	a := serve(t, httpapi.Options{})
	s := a.stream("")
	s.expect("ready", "")
	a.must(202, "POST", "orchestrators/Nobody/x", "")
	s.changes(1)
	var started sync.WaitGroup
	started.Go(func() { a.must(202, "POST", "orchestrators/Waits/w?timeout=3600", "") })
	for got := []string{""}; got[0] != "w Running"; {
		got, _ = s.changes(1)
	}
	a.door.Drain()
	s.expect("end", "about to go down")
	if e := s.next(); e != (sent{}) {
		t.Errorf("after the end comes %+v", e)
	}
	started.Wait()
}

func TestAStreamEndsWithItsHub(t *testing.T) {
	a := serve(t, httpapi.Options{})
	s := a.stream("")
	s.expect("ready", "")
	if err := a.hub.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.expect("end", "closed")
	a.must(503, "GET", "changes", "")
}

// slow is a client whose reader stands still until it is let go.
type slow struct {
	http.ResponseWriter
	gate <-chan struct{}
}

func (w slow) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), "event: ready") {
		<-w.gate
	}
	return w.ResponseWriter.Write(p)
}

func (w slow) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestASlowReaderIsToldWhatItHasMissed(t *testing.T) {
	a := serve(t, httpapi.Options{Buffer: 2, Clock: sysclock.New()})
	gate := make(chan struct{})
	a.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/changes") {
			w = slow{w, gate}
		}
		a.door.ServeHTTP(w, r)
	})
	s := a.stream("")
	s.expect("ready", "")
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		if _, err := a.hub.Engine().Start(t.Context(), engine.StartRequest{Instance: id, Name: "Nobody"}); err != nil {
			t.Fatal(err)
		}
	}
	close(gate)
	for count := 0; ; count++ {
		e := s.next()
		if e.kind == "lost" {
			break
		}
		if e.kind != "change" || count > 4 {
			t.Fatalf("after %d changes %+v", count, e)
		}
	}
}
