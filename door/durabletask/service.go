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
	return s
}

// Close ends the streams of all workers, which give back what they have, and the
// calls of clients that wait for something: a gRPC server that is to stop
// gracefully waits for both.
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
func (s *Service) client(ctx context.Context) (engine.Client, error) {
	hub, err := s.hub(ctx)
	if err != nil {
		return nil, err
	}
	return hub.Engine(), nil
}

// hub is the one that a call is for.
func (s *Service) hub(ctx context.Context) (Hub, error) {
	name := hubName(ctx)
	hub, err := s.opts.Hubs.Hub(ctx, name)
	if err != nil {
		return nil, describeHub(name, err)
	}
	return hub, nil
}

// Hello is the first call of every worker. It says which server this is, and fails
// if there is no task hub of the name that the caller gives.
func (s *Service) Hello(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(extra.ServerHeader, s.opts.Version)) // fails without a server only
	if _, err := s.hub(ctx); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
