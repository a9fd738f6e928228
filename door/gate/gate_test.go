package gate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// service does what a test wants in two of its calls.
type service struct {
	wire.UnimplementedTaskHubSidecarServiceServer
	get  func(context.Context) (*wire.GetInstanceResponse, error)
	does func(context.Context, proto.Message) error // of a start, a completion
	work func(grpc.ServerStreamingServer[wire.WorkItem]) error
	past func() // nil: there are no histories
}

func (s *service) GetInstance(ctx context.Context, _ *wire.GetInstanceRequest) (*wire.GetInstanceResponse, error) {
	return s.get(ctx)
}

func (s *service) StartInstance(ctx context.Context, q *wire.CreateInstanceRequest) (*wire.CreateInstanceResponse, error) {
	return &wire.CreateInstanceResponse{}, s.does(ctx, q)
}

func (s *service) CompleteActivityTask(ctx context.Context, q *wire.ActivityResponse) (*wire.CompleteTaskResponse, error) {
	return &wire.CompleteTaskResponse{}, s.does(ctx, q)
}

func (s *service) CompleteOrchestratorTask(ctx context.Context, q *wire.OrchestratorResponse) (*wire.CompleteTaskResponse, error) {
	return &wire.CompleteTaskResponse{}, s.does(ctx, q)
}

func (s *service) GetWorkItems(_ *wire.GetWorkItemsRequest, stream grpc.ServerStreamingServer[wire.WorkItem]) error {
	return s.work(stream)
}

func (s *service) StreamInstanceHistory(q *wire.StreamInstanceHistoryRequest, stream grpc.ServerStreamingServer[wire.HistoryChunk]) error {
	if s.past == nil {
		return s.UnimplementedTaskHubSidecarServiceServer.StreamInstanceHistory(q, stream)
	}
	s.past()
	return nil
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serve serves through a gate, and returns a client.
func serve(t *testing.T, s *service, o Options, more ...grpc.DialOption) (wire.TaskHubSidecarServiceClient, *safeBuffer) {
	t.Helper()
	_, conn, log := serveConn(t, s, o, more...)
	return wire.NewTaskHubSidecarServiceClient(conn), log
}

// serveConn is serve for who makes calls of his own.
func serveConn(t *testing.T, s *service, o Options, more ...grpc.DialOption) (*Gate, *grpc.ClientConn, *safeBuffer) {
	t.Helper()
	log := &safeBuffer{}
	o.Audit = slog.New(slog.NewTextHandler(log, nil))
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer(append(g.ServerOptions(), grpc.InitialWindowSize(64<<10), grpc.InitialConnWindowSize(1<<20))...)
	wire.RegisterTaskHubSidecarServiceServer(g.Registrar(rpc), s)
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(l) }()
	t.Cleanup(func() {
		rpc.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(l.Addr().String(), append(more, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return g, conn, log
}

func TestAPanicFailsItsCallAndNothingElse(t *testing.T) {
	s := &service{
		get: func(context.Context) (*wire.GetInstanceResponse, error) { panic("with a payload") },
		work: func(grpc.ServerStreamingServer[wire.WorkItem]) error {
			var none []error
			return none[len(none)]
		},
	}
	c, log := serve(t, s, Options{})
	for range 2 {
		if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{}); status.Code(err) != codes.Internal {
			t.Error(err)
		}
		w, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recv(); status.Code(err) != codes.Internal {
			t.Error(err)
		}
	}
	if text := log.String(); strings.Contains(text, "with a payload") || !strings.Contains(text, "index out of range") || !strings.Contains(text, "gate_test.go") {
		t.Error(text)
	}
}

func TestAStreamThatIsNotReadEndsAndGivesBackWhatItHas(t *testing.T) {
	clock, sent, ended := newTestClock(), make(chan int, 1000), make(chan error, 1)
	s := &service{work: func(stream grpc.ServerStreamingServer[wire.WorkItem]) error {
		item := &wire.WorkItem{CompletionToken: strings.Repeat("x", 64<<10)}
		for i := 0; ; i++ {
			sent <- i
			if err := stream.Send(item); err != nil {
				ended <- err
				return err
			}
		}
	}}
	c, _ := serve(t, s, Options{Clock: clock, Patience: time.Minute}, grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(1<<20))
	w, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // it reads a little, and then no more
		if _, err := w.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	for open := true; open; {
		select {
		case <-sent: // some go into buffers
		case err := <-ended:
			if err == nil {
				t.Fatal("it ended by itself")
			}
			open = false
		default:
			clock.advance(time.Minute)
		}
	}
	for err == nil {
		_, err = w.Recv()
	}
	if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "not been read for 1m0s") {
		t.Error(err)
	}
}

func TestACallWhoseCallerIsKnownOnlyLaterIsMadeOnceItIs(t *testing.T) {
	i, key := newIssuer(t), rsaKeys()[0]
	i.set(false, public("one", key))
	tokens := tokensOf(t, i, newTestClock())
	s := &service{get: func(context.Context) (*wire.GetInstanceResponse, error) {
		return &wire.GetInstanceResponse{Exists: true}, nil
	}}
	c, _ := serve(t, s, Options{Authenticators: []Authenticator{tokens}, Clock: newTestClock(), DefaultHub: "default"})
	call := func(token, hub string) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token, "taskhub", hub)
		_, err := c.GetInstance(ctx, &wire.GetInstanceRequest{})
		return err
	}
	head := map[string]any{"alg": "RS256", "kid": "one"}
	forged := sign(t, head, goodClaims(), rs256(rsaKeys()[1]))
	if err := call(forged, "orders"); status.Code(err) != codes.Unauthenticated || i.asked.Load() != 1 {
		t.Errorf("forged, before the keys are known: %v", err)
	}
	if err := call(sign(t, head, with("netherite", map[string]string{"orders": "reader"}), rs256(key)), "other"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another hub: %v", err)
	}
	if err := call(sign(t, head, goodClaims(), rs256(key)), "orders"); err != nil {
		t.Error(err)
	}
}

func TestACallThatDidNotComeThroughTheGateIsNotMade(t *testing.T) {
	g, err := New(Options{Audit: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Unary(t.Context(), nil, nil, func(context.Context, any) (any, error) {
		t.Error("it was made")
		return nil, errors.New("made")
	})
	if status.Code(err) != codes.Internal {
		t.Error(err)
	}
}

func TestAnAnswerHasAtMostItsLimit(t *testing.T) {
	var size int
	s := &service{get: func(context.Context) (*wire.GetInstanceResponse, error) {
		return &wire.GetInstanceResponse{OrchestrationState: &wire.OrchestrationState{Input: wrapperspb.String(strings.Repeat("x", size))}}, nil
	}}
	c, _ := serve(t, s, Options{Answer: 1000})
	for _, size = range []int{1000 - 9, 1000 - 8} { // around it are three tags and lengths
		_, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{})
		if over := size > 1000-9; (err != nil) != over || over && (status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "1001 bytes, and clients take no more than 1000")) {
			t.Errorf("%d: %v", size, err)
		}
	}
}

func TestALimiterGivesWhatItSaysAndForgetsWhoIsAway(t *testing.T) {
	clock := newTestClock()
	l := newLimiter(clock, 3)
	took := func(key string) (n int) {
		for l.take(key) {
			n++
		}
		return n
	}
	if a, b := took("a"), took("b"); a != 3 || b != 3 {
		t.Errorf("%d and %d at once", a, b)
	}
	clock.advance(time.Second / 2)
	if n := took("a"); n != 1 {
		t.Errorf("%d after half a second", n)
	}
	clock.advance(time.Hour)
	if n := took("a"); n != 3 {
		t.Errorf("%d after an hour", n)
	}
	for i := range 3 * maxBuckets {
		clock.advance(time.Millisecond)
		l.take(string(rune(i)) + "x")
	}
	if n := len(l.buckets); n > maxBuckets {
		t.Errorf("it remembers %d", n)
	}
}
