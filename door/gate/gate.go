package gate

import (
	"context"
	"log/slog"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/internal/webpage"
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
	DefaultMessage  = 64 << 20
	DefaultBody     = 4 << 20
	DefaultPatience = 30 * time.Second
)

// Options are the settings of a Gate.
type Options struct {
	// Authenticators say who a caller is. None lets everybody in as admin, which
	// only a listener of this machine alone may do, see CheckListener.
	Authenticators []Authenticator
	// DefaultHub is the task hub of callers that name none.
	DefaultHub string
	Streams    int // of one caller at a time; default DefaultStreams
	Calls      int // of one caller at a time; default DefaultCalls
	Rate       int // calls and streams of one caller that begin in a second; default DefaultRate
	HubRate    int // the same for one task hub, of all callers who may use it; default DefaultHubRate
	Answer     int // bytes of an answer to a remote call; default DefaultAnswer
	Message    int // bytes of a message of a remote call; default DefaultMessage
	Body       int // bytes that are read of a request over HTTP at most; default DefaultBody
	// TooLarge makes of an answer of a worker that is larger than limit one that says
	// so: there is nothing in it but whose it is. It reports false if it cannot.
	// Without it such answers are refused.
	TooLarge func(answer proto.Message, size, limit int64) bool
	Patience time.Duration // how long a caller may leave what a stream sends unread; default DefaultPatience
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
	pages   *webpage.Guard
	later   chan struct{} // tokens for calls whose caller is known only after asking elsewhere
	debts   *debts
	inbound *inbound // messages of calls
	answers *inbound // messages of those that are owed
	// histories are those that are read for what is owed, as if each had one byte.
	histories *inbound
}

// laterCalls is how many calls may wait to know their callers. They wait for one
// answer of the issuer, and nothing of their messages is read meanwhile.
const laterCalls = 256

// New makes a gate.
func New(o Options) (*Gate, error) {
	positive(&o.Streams, DefaultStreams)
	positive(&o.Calls, DefaultCalls)
	positive(&o.Rate, DefaultRate)
	positive(&o.HubRate, DefaultHubRate)
	positive(&o.Answer, DefaultAnswer)
	positive(&o.Message, DefaultMessage)
	positive(&o.Body, DefaultBody)
	positive(&o.Patience, DefaultPatience)
	if o.Clock == nil {
		o.Clock = sysclock.New()
	}
	p, err := webpage.New(o.Origins, o.Hosts, len(o.Authenticators) == 0)
	if err != nil {
		return nil, err
	}
	share, most := int64(o.Message), shares*int64(max(o.Message, DefaultMessage))
	all := newInbound(o.Clock, comingOfOne, comingOfAll, share, most)
	all.yields = true
	histories := newInbound(o.Clock, 0, 0, int64(o.Streams), math.MaxInt64)
	histories.smallest = 0 // none of them comes in a window: they have one room
	return &Gate{
		debts: newDebts(), inbound: all, answers: newInbound(o.Clock, owedOfOne, owedOfAll, share, most),
		histories: histories,
		opts:      o, streams: newCounter(o.Streams), calls: newCounter(o.Calls), rate: newLimiter(o.Clock, o.Rate), hubs: newLimiter(o.Clock, o.HubRate),
		loud: newLimiter(o.Clock, refusalsLogged), pages: p, later: make(chan struct{}, laterCalls),
	}, nil
}

// Stop ends the remote calls whose messages have not come, now and from now on: it is for
// a server that stops, as nobody knows when they would. Bodies of requests end with the
// contexts of these.
func (g *Gate) Stop() {
	g.inbound.stop()
	g.answers.stop()
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// shares is how many callers the memory of messages is enough for that all send as
// much as one may.
const shares = 4

// visit is a call on its way through the gate.
type visit struct {
	operation string
	need      Need
	hub       string
	from      string // address of a request over HTTP; else it is that of the call
	call      context.Context
	conn      *boundConn
	caller    string // whose limits it counts for
	principal *Principal
	later     error // why the caller has yet to be asked for; nil if it is known
	streams   bool  // it counts as a stream
	owed      bool  // it answers for what its caller was given to do
	rated     bool  // it has been counted for the limits of a second
	// Of a remote call, whose steps the package documentation lists.
	debt    *debt  // of an answer that is owed
	work    *debt  // of a stream of work
	history *visit // of one that reads a history for what is owed: its place among those
	passed  bool   // it may be made
	partial bool   // there is more of the answer to come
	skimmed bool   // its message was too large
	// Of its message, guarded by the mutex of inbound.
	stream        transportStream
	header        [5]byte
	inbound       *inbound
	account       *account
	room          *room
	share         *share
	bytes         int64 // for which it has room
	since         time.Duration
	coming        bool       // it counts among those that are
	in            *visitList // or nil
	before, after *visit
	dropped       *Refusal // why it is not waited for; nil if it is
	// Of a request over HTTP: what ends it, and what looks at the caller of a stream.
	end   func()
	guard *guard
}

// address is where the visit comes from. Mostly nobody asks.
func (v *visit) address() string {
	if v.call != nil {
		return addressOf(v.call)
	}
	return v.from
}

// begin finds out who calls, and whether that is too often.
func (g *Gate) begin(v *visit, c *Credentials) error {
	p, err := g.authenticate(c)
	v.conn.heard(err)
	if err != nil {
		return err
	}
	v.principal, v.caller = p, p.Name
	if p == everybody {
		v.caller = v.address() // tells apart those that nobody asks who they are
	}
	if v.owed = Needs[v.operation].Answers && g.debts.owes(debtor{v.caller, v.hub}); v.owed {
		return nil
	}
	return g.rateOfCaller(v)
}

func (g *Gate) rateOfCaller(v *visit) error {
	if !g.rate.take(v.caller) {
		return refuse(codes.ResourceExhausted, "%s makes more than %d calls a second, which is as many as one caller may make", v.caller, g.opts.Rate)
	}
	return nil
}

// rates counts a call for the limits of a second, if that has not been done.
func (g *Gate) rates(v *visit) error {
	if v.rated {
		return nil
	}
	if err := g.rateOfCaller(v); err != nil {
		return err
	}
	return g.rateOfHub(v)
}

func (g *Gate) rateOfHub(v *visit) error {
	v.rated = true
	if !g.hubs.take(v.hub) {
		return refuse(codes.ResourceExhausted, "task hub %q has more than %d calls a second, which is as many as one may have", v.hub, g.opts.HubRate)
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
	if v.owed {
		return nil
	}
	return g.rateOfHub(v)
}

// openStream counts the visit as a stream.
func (g *Gate) openStream(v *visit) error {
	if !g.streams.enter(v.caller) {
		return refuse(codes.ResourceExhausted, "%s has %d streams, which is as many as one caller may have at a time", v.caller, g.opts.Streams)
	}
	v.streams = true
	return nil
}

func (g *Gate) countCall(v *visit) error {
	if !g.calls.enter(v.caller) {
		return refuse(codes.ResourceExhausted, "%s has %d calls under way, which is as many as one caller may have at a time", v.caller, g.opts.Calls)
	}
	return nil
}
