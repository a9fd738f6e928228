package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	goleak.VerifyTestMain(m)
}

var (
	greet = durable.Activity("Greet", func(_ context.Context, who string) (string, error) { return "Hello " + who + "!", nil })
	hello = durable.Orchestration("Hello", func(ctx *durable.Context, who string) (string, error) {
		return greet.Call(ctx, who).Await()
	})
	goAhead = durable.Event[any]("go")
	waits   = durable.Orchestration("Waits", func(ctx *durable.Context, _ any) (any, error) {
		if err := ctx.SetStatus(map[string]int{"step": 1}); err != nil {
			return nil, err
		}
		return goAhead.Next(ctx).Await()
	})
	fails = durable.Orchestration("Fails", func(*durable.Context, any) (any, error) { return nil, errors.New("no luck") })
	tally = durable.Entity[int]("Tally")
	_     = durable.Operation(tally, "add", func(n *int, _ *durable.EntityContext, by int) (int, error) {
		*n += by
		return *n, nil
	})
	note = durable.Entity[string]("Note")
	_    = durable.Operation(note, "write", func(s *string, _ *durable.EntityContext, text string) (string, error) {
		*s = text
		return text, nil
	})
)

// api is a hub that is served, and its client.
type api struct {
	t      *testing.T
	hub    *netherite.Hub
	door   *httpapi.API
	server *httptest.Server
	router routers.Router
}

func serve(t *testing.T, o httpapi.Options) *api {
	t.Helper()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.CheckReplay(), netherite.Serve(greet, hello, waits, fails, tally, note))
	if err != nil {
		t.Fatal(err)
	}
	door := httpapi.New(func(_ context.Context, name string) (httpapi.Hub, error) {
		if name == "" || name == "mine" {
			return hub, nil
		}
		return nil, engine.ErrNotFound
	}, o)
	a := &api{t: t, hub: hub, door: door, server: httptest.NewServer(door), router: router(t)}
	t.Cleanup(func() {
		a.server.Client().CloseIdleConnections()
		door.Drain()
		a.server.Close()
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func router(t testing.TB) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.Description())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	r, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is what came back.
type answer struct {
	t      *testing.T
	code   int
	header http.Header
	body   []byte
}

func (a *answer) String() string { return strings.TrimSpace(string(a.body)) }

// field is a member of the body, an object.
func (a *answer) field(name string) any {
	a.t.Helper()
	var o map[string]any
	if err := json.Unmarshal(a.body, &o); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	return o[name]
}

// do sends a request; the path is after the base, or a whole URL. The answer is as
// the description says.
func (a *api) do(method, path, body string, header ...string) *answer {
	a.t.Helper()
	switch {
	case strings.HasPrefix(path, "http"):
	case strings.HasPrefix(path, "/"):
		path = a.server.URL + path
	default:
		path = a.server.URL + httpapi.Base + "/" + path
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := a.server.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer got.Body.Close()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	a.validate(r, got, b)
	return &answer{a.t, got.StatusCode, got.Header, b}
}

// validate holds an answer against the description, if that has the path. What it
// has not is answered with 404.
func (a *api) validate(r *http.Request, got *http.Response, body []byte) {
	a.t.Helper()
	route, params, err := a.router.FindRoute(r)
	if err != nil {
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 got.StatusCode, Header: got.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(a.t.Context(), in); err != nil {
		a.t.Errorf("%s %s: the answer %d %s is not as described: %v", r.Method, r.URL, got.StatusCode, body, err)
	}
}

// must is do with the status code that is expected.
func (a *api) must(code int, method, path, body string, header ...string) *answer {
	a.t.Helper()
	got := a.do(method, path, body, header...)
	if got.code != code {
		a.t.Fatalf("%s %s: %d %s, want %d", method, path, got.code, got.body, code)
	}
	if code >= 400 && got.body[0] == '{' && got.field("ExceptionMessage") == "" && !strings.Contains(path, "returnInternal") {
		a.t.Errorf("%s %s: %s does not say what was wrong", method, path, got.body)
	}
	return got
}

// ended starts an orchestration and waits for its end.
func (a *api) ended(name, id, input string) {
	a.t.Helper()
	a.do("POST", "orchestrators/"+name+"/"+id+"?timeout=60", input)
	a.reach(id, engine.UntilEnded)
}

func (a *api) reach(id string, until engine.Until) *model.Instance {
	a.t.Helper()
	i, err := a.hub.Engine().Wait(a.t.Context(), id, until, engine.GetOptions{Payloads: true})
	if err != nil {
		a.t.Fatal(err)
	}
	return i
}

// waiting starts an orchestration that waits for an event.
func (a *api) waiting(id string) {
	a.t.Helper()
	a.must(202, "POST", "orchestrators/Waits/"+url.PathEscape(id), "")
	a.reach(id, engine.UntilStarted)
}
