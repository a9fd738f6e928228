package durabletask

import (
	"cmp"
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker/spans"
)

// Options are the settings of a Service.
type Options struct {
	Hubs  Hubs            // required
	Clock substrate.Clock // required: tells when a silent stream is due a sign of life
	// Ping is how long a stream of work is silent at most. SDKs give up a stream
	// after 120 s of silence. Default 30 s.
	Ping time.Duration
	// Tracer makes a span for each execution of an orchestration, attempt of an
	// activity and operation of an entity that a worker does, unless it says that it
	// makes them itself; its SDK is to have netherite.SpanIDs. Default: nobody does.
	Tracer trace.TracerProvider
	// Version is that of the server, for clients that want to know. Default: devel.
	Version string
	// NoCalls is what an activity BuiltIn::HttpActivity fails with, by which SDKs
	// have their host make an HTTP call: why this one makes none, and what to do. It is
	// not asked for where a worker lists that activity in its filters. Empty if what
	// makes such calls serves the hubs, as durable/durablehttp does, or if they are to wait for it.
	NoCalls string
}

// Service is the service that the SDKs call.
type Service struct {
	wire.UnimplementedTaskHubSidecarServiceServer
	opts   Options
	tracer *spans.Tracer   // nil: nothing is traced
	open   context.Context // ends with Drain, or Close
	drain  context.CancelFunc
	ctx    context.Context // ends with Close
	end    context.CancelFunc

	mu   sync.Mutex
	hubs map[Hub]*desk // of the hubs that have workers
}

var _ wire.TaskHubSidecarServiceServer = (*Service)(nil)

const defaultPing = 30 * time.Second

// New makes a service.
func New(o Options) *Service {
	if o.Ping <= 0 {
		o.Ping = defaultPing
	}
	o.Version = cmp.Or(o.Version, "devel")
	s := &Service{opts: o, tracer: spans.New(o.Tracer), hubs: map[Hub]*desk{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.open, s.drain = context.WithCancel(s.ctx)
	return s
}

// Drain gives workers nothing more and lets no more of them in. What they have they
// may complete until Close: netherite.Hub.Drain waits for that, and is to be called
// at the same time. Calls that wait for something end with UNAVAILABLE; all others
// are answered, as work under way may need them.
func (s *Service) Drain() { s.drain() }

// Close ends the streams of all workers, which give back what they have, and the
// calls of clients that wait for something: a gRPC server that is to stop
// gracefully waits for both. Call Drain before, and wait, to let workers complete
// what they have.
func (s *Service) Close() { s.end() }

// Register adds a service to a gRPC server, for one hub, whichever task hub the
// callers name. A hub that has a tracer (netherite.Tracer) lends it to the service.
// The service is to be closed before the server is stopped.
func Register(server grpc.ServiceRegistrar, hub Hub) *Service {
	o := Options{Hubs: single{hub}, Clock: sysclock.New()}
	if t, ok := hub.(interface {
		TracerProvider() trace.TracerProvider
	}); ok {
		o.Tracer = t.TracerProvider()
	}
	s := New(o)
	wire.RegisterTaskHubSidecarServiceServer(server, s)
	return s
}

// client is the engine of the hub that a call is for.
func (s *Service) client(ctx context.Context) (engine.Client, error) { return engineOf(s.hub(ctx)) }

// recipient is client for a call that gives the hub work: it may make that.
func (s *Service) recipient(ctx context.Context) (engine.Client, error) {
	return engineOf(s.demand(ctx))
}

func engineOf(hub Hub, err error) (engine.Client, error) {
	if err != nil {
		return nil, err
	}
	return hub.Engine(), nil
}

// hub is the one that a call is for.
func (s *Service) hub(ctx context.Context) (Hub, error) { return named(ctx, s.opts.Hubs.Hub) }

// demand is hub for a call that gives the hub work, or asks for some: it may make it.
func (s *Service) demand(ctx context.Context) (Hub, error) { return named(ctx, s.opts.Hubs.Demand) }

func named(ctx context.Context, find func(context.Context, string) (Hub, error)) (Hub, error) {
	name := hubName(ctx)
	hub, err := find(ctx, name)
	if err != nil {
		return nil, describeHub(name, err)
	}
	return hub, nil
}

// Hello is the first call of every worker, and of some clients. It says which server
// this is, and fails if there is no task hub of the name that the caller gives, and
// would be none if it asked for work or gave some.
func (s *Service) Hello(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(extra.ServerHeader, s.opts.Version)) // fails without a server only
	name := hubName(ctx)
	if err := s.opts.Hubs.Promise(name); err != nil {
		return nil, describeHub(name, err)
	}
	return &emptypb.Empty{}, nil
}
