package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/webpage"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// Hub is a task hub that is served.
type Hub interface{ Engine() engine.Client }

// Hubs finds the task hub of a name; empty is that of callers that name none. The
// error wraps engine.ErrNotFound if there is none.
type Hubs func(ctx context.Context, name string) (Hub, error)

const (
	// Base is where the API is.
	Base = "/runtime/webhooks/durabletask"
	// oldBase is where it was in the first version of Durable Functions, rpcBase
	// where programs of other languages look for it on their own machine.
	oldBase = "/admin/extensions/DurableTaskExtension"
	rpcBase = "/durabletask"
	// MaxBody is how long a request's body may be, in bytes.
	MaxBody = 4 << 20
	// maxDepth is how many arrays and objects of a body of JSON may be in each other:
	// programs that read it recurse that deep.
	maxDepth = 64
)

// bases are the prefixes that are served, without a slash at the end.
var bases = [...]string{Base, oldBase, rpcBase}

// hubPrefix comes before a base in the paths of a task hub of its own:
// /taskhubs/NAME/runtime/webhooks/durabletask/...
const hubPrefix = "/taskhubs/"

// Options are what New can be given beside the hubs.
type Options struct {
	// Admit, when not nil, decides whether a request may do an operation, one of
	// Operations, in a task hub; empty is that of callers that name none. It is
	// asked before anything is looked at. What it returns is a Refusal, or answered
	// with 500.
	Admit func(r *http.Request, operation, hub string) error
	// Demand, when not nil, finds the hub for starts and signals, in the place of what
	// New was given: it may make one.
	Demand Hubs
	// Hosts are names by which the API is reached beside those of this machine. Where it
	// listens at an address of this machine alone, and Admit is nil, a request for another
	// name is refused: a web page may have given this machine a name of its own.
	Hosts []string
	// Origins are those of the web pages that may use the API, such as
	// https://ops.example.com; with one that is none all requests get 500. Changes that
	// other pages ask for are refused.
	Origins []string
	// AnyPage switches off what is said of Hosts and Origins, for an API behind something
	// that does the same.
	AnyPage bool
	// Clock is for the heartbeats of streams; the system's by default.
	Clock substrate.Clock
	// Heartbeat is how often a stream says that it is alive when nothing happens,
	// 15 s by default.
	Heartbeat time.Duration
	// Buffer is how many changes a stream keeps for a reader that is slow; 1,000 by
	// default.
	Buffer int
}

// Refusal is an error with the status code that it is answered with.
type Refusal struct {
	Code int
	Text string
}

// Error implements error.
func (e *Refusal) Error() string { return e.Text }

// API serves task hubs. It is an http.Handler.
type API struct {
	hubs    Hubs
	opts    Options
	pages   *webpage.Guard  // nil: any may ask
	wrong   error           // in the options
	drain   context.Context // ends when no more is to be waited for
	endWait context.CancelFunc
}

// Handler serves one hub, whichever task hub the callers name, to everybody who reaches
// it: nobody is asked who they are, and all is allowed. So let it listen at an address of
// this machine alone (127.0.0.1), or put something before it that asks. What web pages
// send that somebody looks at on this machine is refused: see Options. There is no TLS,
// nor limits of callers, nor a log of who did what, but for what the program has around
// it: a server has all of these.
func Handler(hub Hub) *API { return New(Only(hub), Options{}) }

// Only is one hub, whichever the callers name.
func Only(hub Hub) Hubs {
	return func(context.Context, string) (Hub, error) { return hub, nil }
}

// New serves several hubs: a request names its own in its path, or by the
// parameter taskHub.
func New(hubs Hubs, o Options) *API {
	if o.Clock == nil {
		o.Clock = sysclock.New()
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Buffer <= 0 {
		o.Buffer = 1_000
	}
	a := &API{hubs: hubs, opts: o}
	if !o.AnyPage {
		a.pages, a.wrong = webpage.New(o.Origins, o.Hosts, o.Admit == nil)
	}
	a.drain, a.endWait = context.WithCancel(context.Background())
	return a
}

// Drain ends what waits for something to happen: streams end, and who waits for
// an instance is told where to ask again. It is for http.Server.RegisterOnShutdown.
func (a *API) Drain() { a.endWait() }

// call is one request on its way.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	api    *API
	base   string // the prefix that was asked
	client engine.Client
	query  params
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, api: a, query: params{r.URL.Query()}}
	if !a.guarded(c) {
		return
	}
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// guarded answers what web pages may not ask for, and what their browsers ask before;
// it reports whether the request goes on.
func (a *API) guarded(c *call) bool {
	switch {
	case a.wrong != nil:
		c.fail(a.wrong)
		return false
	case a.pages == nil:
		return true
	}
	if a.pages.Headers(c.w.Header(), c.r); a.pages.Preflight(c.w, c.r) {
		return false
	}
	if err := a.pages.Admits(c.r, "Options.Hosts", "Options.Origins"); err != nil {
		c.fail(&Refusal{http.StatusForbidden, err.Error()})
		return false
	}
	return true
}

func (c *call) serve() error {
	base, hub, rest, err := split(c.r.URL.EscapedPath())
	if err != nil {
		return err
	}
	c.base = base
	segments, err := unescape(rest)
	if err != nil {
		return badRequest("the path cannot be read: %v", err)
	}
	if err := checkWords(append(segments, hub), c.query); err != nil {
		return err
	}
	found, args, methods := match(c.r.Method, segments)
	switch {
	case found != nil:
	case len(methods) > 0:
		c.w.Header().Set("Allow", strings.Join(methods, ", "))
		return &Refusal{http.StatusNotFound, c.r.Method + " is not possible at " + c.r.URL.Path + ", " + strings.Join(methods, ", ") + " is"}
	default:
		return nothingAt(c.r.URL.Path)
	}
	switch named := c.query.text("taskHub"); {
	case hub == "":
		hub = named
	case named != "" && named != hub:
		return badRequest("the path names the task hub %q and the parameter taskHub %q", hub, named)
	}
	if c.api.opts.Admit != nil {
		if err := c.api.opts.Admit(c.r, found.operation(), hub); err != nil {
			return err
		}
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, MaxBody)
	find := c.api.hubs
	if found.demands() && c.api.opts.Demand != nil {
		find = c.api.opts.Demand
	}
	h, err := find(c.r.Context(), hub)
	if err != nil {
		return err
	}
	c.client = h.Engine()
	return found.serve(c, args)
}

func nothingAt(path string) error {
	return &Refusal{http.StatusNotFound, "there is nothing at " + path}
}

// split takes the base off a path, with the task hub before it if there is one.
func split(path string) (base, hub, rest string, err error) {
	if strings.EqualFold(path, "/openapi.json") { // where tools look
		return Base, "", "openapi.json", nil
	}
	at := path
	if len(at) > len(hubPrefix) && strings.EqualFold(at[:len(hubPrefix)], hubPrefix) {
		name, after, ok := strings.Cut(at[len(hubPrefix):], "/")
		if !ok || name == "" {
			return "", "", "", nothingAt(path)
		}
		if hub, err = url.PathUnescape(name); err != nil {
			return "", "", "", badRequest("the path cannot be read: %v", err)
		}
		at = "/" + after
	}
	for _, b := range bases {
		if len(at) > len(b) && at[len(b)] == '/' && strings.EqualFold(at[:len(b)], b) {
			return path[:len(path)-len(at)+len(b)], hub, at[len(b)+1:], nil
		}
	}
	return "", "", "", nothingAt(path)
}

func unescape(rest string) ([]string, error) {
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, s := range segments {
		var err error
		if segments[i], err = url.PathUnescape(s); err != nil {
			return nil, err
		}
	}
	return segments, nil
}
