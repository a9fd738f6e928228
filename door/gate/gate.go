package gate

import (
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// The defaults of Options.
const (
	DefaultStreams  = 100
	DefaultCalls    = 10_000
	DefaultRate     = 100_000
	DefaultHubRate  = 100_000
	DefaultAnswer   = 3_900_000
	DefaultPatience = 30 * time.Second
)

// Options are the settings of a Gate.
type Options struct {
	// Authenticators say who a caller is. None lets everybody in as admin, which
	// only a listener of this machine alone may do, see CheckListener.
	Authenticators []Authenticator
	// DefaultHub is the task hub of callers that name none.
	DefaultHub string
	Streams    int           // of one caller at a time; default DefaultStreams
	Calls      int           // of one caller at a time; default DefaultCalls
	Rate       int           // calls and streams of one caller that begin in a second; default DefaultRate
	HubRate    int           // the same for one task hub, of all callers who may use it; default DefaultHubRate
	Answer     int           // bytes of an answer to a remote call; default DefaultAnswer
	Patience   time.Duration // how long a caller may leave what a stream sends unread; default DefaultPatience
	// Hosts are names under which the HTTP API is reached, beside those of the
	// machine itself: of a proxy before it. They matter where nobody is asked who
	// they are.
	Hosts []string
	// Origins are the origins of web pages that may call the HTTP API, for example
	// https://ops.example.com. None by default.
	Origins []string
	// Audit gets what was managed, and who was refused; required.
	Audit *slog.Logger
	// AuditAll also writes down each start, event and signal.
	AuditAll bool
	Clock    substrate.Clock // default the system's
}

// Gate lets callers in.
type Gate struct {
	opts    Options
	streams *counter
	calls   *counter
	rate    *limiter // by caller
	hubs    *limiter // by task hub
	loud    *limiter // of what is written down about those who are refused
	pages   *pages
	later   chan struct{} // tokens for calls whose caller is known only after asking elsewhere
}

// laterCalls is how many calls may be under way whose caller is not known yet: a
// call's message is read before it can be asked for.
const laterCalls = 4

// New makes a gate.
func New(o Options) (*Gate, error) {
	positive(&o.Streams, DefaultStreams)
	positive(&o.Calls, DefaultCalls)
	positive(&o.Rate, DefaultRate)
	positive(&o.HubRate, DefaultHubRate)
	positive(&o.Answer, DefaultAnswer)
	positive(&o.Patience, DefaultPatience)
	if o.Clock == nil {
		o.Clock = sysclock.New()
	}
	p, err := newPages(o.Origins, o.Hosts, len(o.Authenticators) == 0)
	if err != nil {
		return nil, err
	}
	return &Gate{
		opts: o, streams: newCounter(o.Streams), calls: newCounter(o.Calls), rate: newLimiter(o.Clock, o.Rate), hubs: newLimiter(o.Clock, o.HubRate),
		loud: newLimiter(o.Clock, refusalsLogged), pages: p, later: make(chan struct{}, laterCalls),
	}, nil
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// visit is a call on its way through the gate.
type visit struct {
	operation string
	need      Need
	hub       string
	from      string // address
	caller    string // whose limits it counts for
	principal *Principal
	later     bool // the caller has yet to be asked for
	streams   bool // it counts as a stream
	// Of a request over HTTP: what ends it, and what looks at the caller of a stream.
	end   func()
	guard *guard
}

// begin finds out who calls, and whether that is too often.
func (g *Gate) begin(v *visit, c *Credentials) error {
	p, err := g.authenticate(c)
	if err != nil {
		return err
	}
	v.principal, v.caller = p, p.Name
	if p == everybody {
		v.caller = v.from // tells apart those that nobody asks who they are
	}
	if !g.rate.take(v.caller) {
		return refuse(codes.ResourceExhausted, "%s makes more than %d calls a second, which is as many as one caller may make", v.caller, g.opts.Rate)
	}
	return nil
}

// permit decides whether the caller may do the operation in the hub, and whether
// that has too many calls.
func (g *Gate) permit(v *visit) error {
	need, ok := Needs[v.operation]
	if !ok {
		return refuse(codes.Unimplemented, "%s is no operation of this server", v.operation)
	}
	if v.hub == "" {
		v.hub = g.opts.DefaultHub
	}
	v.need = need
	if !v.principal.May(v.hub, need.Role) {
		return refuse(codes.PermissionDenied, "%s needs the role %s in task hub %q, which %s does not have", v.operation, need.Role, v.hub, v.principal.Name)
	}
	if !g.hubs.take(v.hub) {
		return refuse(codes.ResourceExhausted, "task hub %q has more than %d calls a second, which is as many as one may have", v.hub, g.opts.HubRate)
	}
	return nil
}

// openStream counts the visit as a stream.
func (g *Gate) openStream(v *visit) error {
	if !g.streams.enter(v.caller) {
		return refuse(codes.ResourceExhausted, "%s has %d streams, which is as many as one caller may have at a time", v.caller, g.opts.Streams)
	}
	v.streams = true
	return nil
}

func (g *Gate) openCall(v *visit) error {
	if !g.calls.enter(v.caller) {
		return refuse(codes.ResourceExhausted, "%s has %d calls under way, which is as many as one caller may have at a time", v.caller, g.opts.Calls)
	}
	return nil
}
