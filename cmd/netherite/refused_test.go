package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/server"
)

// refusedLine is a command line that is refused.
type refusedLine struct {
	line string
	code int
	says string
}

func refuseAll(t *testing.T, list []refusedLine) {
	t.Helper()
	for _, c := range list {
		_, errs, code := commandLine(t, strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(errs, c.says) || strings.Contains(errs, engine.ErrNotFound.Error()) {
			t.Errorf("%s: exit code %d, want %d: %s has no %q, or speaks of instances", c.line, code, c.code, errs, c.says)
		}
	}
}

func TestWhatIsMissingIsCalledByItsName(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	at, keys := s.Place().GRPC[0], filepath.Join(t.TempDir(), "keys.yaml")
	if _, errs, code := commandLine(t, "key", "create", "a", "--role", "x=admin", "--keys-file", keys); code != 0 {
		t.Fatal(errs)
	}
	refuseAll(t, []refusedLine{
		{"instance list --hub typo --server " + at, exitNotFound, `"typo": there is no such task hub`},
		{"instance show x --hub typo --server " + at, exitNotFound, `"typo": there is no such task hub`},
		{"entity get a b --hub typo --server " + at, exitNotFound, `"typo": there is no such task hub`},
		{"hub delete typo --yes --server " + at, exitNotFound, `"typo": there is no such task hub`},
		{"key revoke z --keys-file " + keys, exitNotFound, `no key "z" in ` + keys},
		{"key rotate z --keys-file " + keys, exitNotFound, `no key "z"`},
		{"context use z", exitNotFound, `no context "z"`},
		{"instance list --context z", exitNotFound, `no context "z"`},
		{"key create b --role o=admin --role o=reader --keys-file " + keys, exitUsage, "has the role admin in o already"},
	})
	if out, errs, code := commandLine(t, "hub", "list", "--server", at); code != 0 || out != "default\n" {
		t.Errorf("then there are %s %s", out, errs)
	}
	commandLine(t, "key", "rotate", "a", "--keys-file", keys)
	if _, errs, code := commandLine(t, "key", "rotate", "a", "--finish", "--keys-file", keys); code != 0 || !strings.Contains(errs, "systemctl reload") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestTailSaysWhatIsWrongWithTheHTTPAPI(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer locked.Close()
	line := "instance tail x --server " + s.Place().GRPC[0] + " --http "
	refuseAll(t, []refusedLine{
		{line + "nonsense", exitUsage, "no URL such as http://127.0.0.1:8082"},
		{line + "127.0.0.1:8082", exitUsage, "no URL such as http://127.0.0.1:8082"},
		{line + "http://127.0.0.1:1", exitNotServed, "does not answer: dial tcp"},
		{line + "http://" + s.Place().HTTP + "/wrong", exitNotServed, "not the HTTP API of a server"},
		{line + "http://" + s.Place().GRPC[0], exitNotServed, "is it the gRPC address"},
		{line + "https://" + s.Place().HTTP, exitNotServed, "HTTP response to HTTPS client"},
		{line + "http://" + s.Place().HTTP + " --hub typo", exitNotFound, "no such task hub"},
		{line + locked.URL, exitFailed, "give it a key with --api-key-file"},
	})
	t.Setenv("NETHERITE_API_KEY", "k")
	refuseAll(t, []refusedLine{{line + locked.URL, exitFailed, "refuses this API key"}})
}

// TestTailSaysOfWhatIsNoHTTPAPIThatItIsNone: with the exit code of a server that does not
// answer, whatever the status is by which it shows.
func TestTailSaysOfWhatIsNoHTTPAPIThatItIsNone(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	line := "instance tail x --server " + s.Place().GRPC[0] + " --http "
	answers := func(status int, kind, body string) string {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(other.Close)
		return other.URL
	}
	secure := tlsServer(t, nil)
	grpcOverTLS := tlsServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc") // as grpc-go answers what is no call
		w.WriteHeader(http.StatusUnsupportedMediaType)
	})
	plain := strings.Replace(secure.address, "https://", "http://", 1)
	refuseAll(t, []refusedLine{
		{line + plain, exitNotServed, "speaks TLS: write --http " + secure.address},
		{line + grpcOverTLS.address + grpcOverTLS.trust, exitNotServed, "is it the gRPC address"},
		{line + secure.address + secure.trust, exitNotServed, "not the HTTP API of a server"},
		{line + answers(200, "text/html", "<html>\n\n</html>\n"), exitNotServed, "not the HTTP API of a server"},
		{line + answers(204, "", ""), exitNotServed, "not the HTTP API of a server"},
		{line + answers(405, "text/plain", "no"), exitNotServed, "not the HTTP API of a server"},
		{line + answers(200, "text/event-stream", "event: other\ndata: 1\n\n"), exitNotServed, "not the HTTP API of a server"},
		{line + answers(200, "text/event-stream", ""), exitNotServed, "does not answer"},
		{line + answers(502, "text/html", "<html>"), exitNotServed, "does not answer: 502 Bad Gateway"},
		{line + answers(500, "application/json", `{"ExceptionMessage":"disk is gone"}`), exitFailed, "answers 500 Internal Server Error: disk is gone"},
	})
}

func TestAContextIsCheckedBeforeItIsKept(t *testing.T) {
	noContexts(t)
	var list []refusedLine
	for flags, says := range map[string]string{
		"nonsense": "no address", "h:0": "no address", "h:99999": "no address", ":4001": "no address", "http://a/b:1": "no address", "h:1 --http nope": "no URL", "h:1 --hub a/b": "no name of a task hub",
		"h:1 --api-key-file none": "none", "https://h:1 --tls-ca none": "none", "h:1 --tls-ca none": "certificates need TLS",
	} {
		list = append(list, refusedLine{"context add p --server " + flags, exitUsage, says})
	}
	for _, name := range []string{"local", "a/b", "-", ".", strings.Repeat("x", 65)} {
		list = append(list, refusedLine{"context add --server h:1 -- " + name, exitUsage, "name"})
	}
	refuseAll(t, list)
	if out, errs, code := commandLine(t, "context", "add", "p", "--server", "h:1"); code != 0 || out != "" || !strings.Contains(errs, `context "p" is in use from now on`) {
		t.Errorf("exit code %d, %s %s", code, out, errs)
	}
	if _, errs, code := commandLine(t, "context", "add", "q", "--server", "https://h:1"); code != 0 || !strings.Contains(errs, "netherite context use q") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// paged is a hub with pages of instances.
type paged struct {
	engine.Client
	pages [][]*model.Instance
	asked []string
}

func (p *paged) Query(_ context.Context, q engine.Query) (engine.Page, error) {
	p.asked = append(p.asked, q.Token)
	page := engine.Page{Instances: slices.Clone(p.pages[len(q.Token)])}
	if len(q.Token)+1 < len(p.pages) {
		page.Token = q.Token + "x"
	}
	return page, nil
}

func TestThoseThatAreQuarantinedAreFoundOnWhicheverPage(t *testing.T) {
	whole := &model.Instance{ID: "whole", Waits: &model.Waits{}}
	aside := &model.Instance{ID: "aside", Waits: &model.Waits{Quarantine: &model.Failure{}}}
	hub := &paged{pages: [][]*model.Instance{{whole, whole}, {whole, aside}, {aside}}}
	find := func(token string) engine.Page {
		q := engine.Query{Token: token}
		page, err := hub.Query(t.Context(), q)
		if page, err = onlyQuarantined(t.Context(), &target{Client: hub}, q, page, err); err != nil {
			t.Fatal(err)
		}
		return page
	}
	first := find("")
	if len(first.Instances) != 1 || first.Instances[0] != aside || first.Token != "xx" {
		t.Errorf("first %+v", first)
	}
	if second := find(first.Token); len(second.Instances) != 1 || second.Token != "" {
		t.Errorf("then %+v", second)
	}
}

func TestAPageThatIsTooLargeIsSaidToBeOfTheFlag(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	at := " --server " + s.Place().GRPC[0]
	refuseAll(t, []refusedLine{
		{"instance list --limit 1001" + at, exitUsage, "--limit 1001: a page has 1 to 1,000"},
		{"entity list --limit -1" + at, exitUsage, "--limit -1: a page has 1 to 1,000"},
	})
}
