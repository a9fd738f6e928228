package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/netherite-go/netherite/door/gate"
)

// logged is a log that tests read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lines are the lines of the log that have all of the texts.
func (l *logged) lines(with ...string) (list []string) {
	for line := range strings.Lines(l.String()) {
		ok := true
		for _, w := range with {
			ok = ok && strings.Contains(line, w)
		}
		if ok {
			list = append(list, line)
		}
	}
	return list
}

// running is a server under test.
type running struct {
	*Server
	log *logged
}

// start serves hubs in memory, on free ports of this machine, changed as the test
// wants.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	return startAt(t, slog.LevelDebug, change)
}

// startAt is start with the least level that is logged.
func startAt(t *testing.T, level slog.Level, change func(*Config)) *running {
	t.Helper()
	c := Config{GRPC: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Hub: "default", OnDemand: true, Partitions: 1}
	if change != nil {
		change(&c)
	}
	l := &logged{}
	s, err := Start(c, slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody is left who would have to be waited for
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return &running{s, l}
}

// dial connects to the gRPC door.
func (r *running) dial(t *testing.T, secure *tls.Config, more ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	c := insecure.NewCredentials()
	if secure != nil {
		c = credentials.NewTLS(secure)
	}
	conn, err := grpc.NewClient(r.Place().GRPC[0], append(more, grpc.WithTransportCredentials(c))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// as makes a call with a token, to a hub; either may be empty.
func as(ctx context.Context, token, hub string) context.Context {
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if hub != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "taskhub", hub)
	}
	return ctx
}

// answer is what came over HTTP.
type answer struct {
	code   int
	header http.Header
	body   string
}

// ask sends a request to the HTTP door.
func (r *running) ask(t *testing.T, method, path, body string, header map[string]string) answer {
	t.Helper()
	q, err := http.NewRequest(method, "http://"+r.Place().HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		q.Header.Set(k, v)
	}
	if h, ok := header["Host"]; ok {
		q.Host = h
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.Header.Get("Content-Type") == "text/event-stream" {
		return answer{a.StatusCode, a.Header, ""} // it does not end by itself
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(b)}
}

// code sends a request and returns the status code, without waiting for the end of
// the answer: some are streams.
func (r *running) code(t *testing.T, method, path string, header map[string]string) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, "http://"+r.Place().HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		q.Header.Set(k, v)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	return a.StatusCode
}

// key makes an API key and its entry.
func key(t *testing.T, name string, roles map[string]gate.Role) (string, gate.Key) {
	t.Helper()
	k, hash, err := gate.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return k, gate.Key{Name: name, Hashes: []string{hash}, Roles: roles}
}
