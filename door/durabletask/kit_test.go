package durabletask_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// rig is a hub in memory, served over gRPC, and a client of it.
type rig struct {
	t        testing.TB
	ctx      context.Context
	hub      *netherite.Hub
	clock    *mem.Clock // nil: the system's
	svc      *durabletask.Service
	hubs     *swapped
	listener *bufconn.Listener
	conn     *grpc.ClientConn
	wire.TaskHubSidecarServiceClient
}

// open opens a rig in real time.
func open(t testing.TB, opts ...netherite.Option) *rig {
	t.Helper()
	return openAt(t, sysclock.New(), 0, opts...)
}

// swapped serves one hub, and later another.
type swapped struct {
	mu sync.Mutex
	durabletask.Hubs
}

func (s *swapped) Hub(ctx context.Context, name string) (durabletask.Hub, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Hubs.Hub(ctx, name)
}

func (s *swapped) Demand(ctx context.Context, name string) (durabletask.Hub, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Hubs.Demand(ctx, name)
}

func (s *swapped) Promise(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Hubs.Promise(name)
}

func (s *swapped) swap(to durabletask.Hubs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Hubs = to
}

// openVirtual opens a rig whose time passes only when the test says so. Streams show
// no signs of life.
func openVirtual(t testing.TB, opts ...netherite.Option) *rig {
	t.Helper()
	return openPinging(t, 10_000*time.Hour, opts...)
}

// openPinging is openVirtual with signs of life as often as ping says.
func openPinging(t testing.TB, ping time.Duration, opts ...netherite.Option) *rig {
	t.Helper()
	clock := mem.NewClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC))
	r := openAt(t, clock, ping, opts...)
	r.clock = clock
	return r
}

func openAt(t testing.TB, clock substrate.Clock, ping time.Duration, opts ...netherite.Option) *rig {
	t.Helper()
	return openDoor(t, durabletask.Options{Clock: clock, Ping: ping}, opts...)
}

// openDoor opens a rig whose service has these options.
func openDoor(t testing.TB, door durabletask.Options, opts ...netherite.Option) *rig {
	t.Helper()
	quiet := netherite.Logger(slog.New(slog.DiscardHandler))
	hub, err := netherite.Open("", append([]netherite.Option{netherite.InMemory(), netherite.Partitions(2), netherite.Clock(door.Clock), netherite.CheckReplay(), quiet}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, hub: hub, hubs: &swapped{Hubs: durabletask.Single(hub)}}
	var cancel context.CancelFunc
	if r.ctx, cancel = context.WithTimeout(context.Background(), 4*patience); isFuzz(t) {
		r.ctx, cancel = context.WithCancel(context.Background()) // it goes on as long as it is told
	}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	door.Hubs, door.Tracer = r.hubs, hub.TracerProvider()
	r.svc = durabletask.New(door)
	wire.RegisterTaskHubSidecarServiceServer(server, r.svc)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	r.listener = listener
	first := r.dial()
	r.conn, r.TaskHubSidecarServiceClient = first.conn, first.TaskHubSidecarServiceClient
	t.Cleanup(func() {
		cancel()
		r.svc.Close()
		server.Stop()
		<-served
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("close the hub: %v", err)
		}
	})
	return r
}

// dial returns the rig by another connection.
func (r *rig) dial(opts ...grpc.DialOption) *rig {
	r.t.Helper()
	conn, err := grpc.NewClient("passthrough:hub", append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<20), // as SDKs begin; else it grows
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return r.listener.Dial() }))...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	other := *r
	other.conn, other.TaskHubSidecarServiceClient = conn, wire.NewTaskHubSidecarServiceClient(conn)
	return &other
}

func isFuzz(t testing.TB) bool { _, ok := t.(*testing.F); return ok }

// must fails the test if a call failed.
func must[T any](r T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// wantCode fails the test unless a call was refused with a code.
func wantCode(t testing.TB, want codes.Code, err error) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("%v (%s), want %s", err, got, want)
	}
}

// start starts an orchestration.
func (r *rig) start(id, name string, change ...func(*wire.CreateInstanceRequest)) {
	r.t.Helper()
	q := &wire.CreateInstanceRequest{InstanceId: id, Name: name}
	for _, c := range change {
		c(q)
	}
	if got := must(r.StartInstance(r.ctx, q))(r.t).InstanceId; got != id {
		r.t.Fatalf("instance %q, want %q", got, id)
	}
}

// pass lets time pass, once what was answered for an orchestration is in effect.
func (r *rig) pass(d time.Duration, id string) {
	r.t.Helper()
	r.state(id) // comes after it
	r.clock.Advance(d)
}

// state reads an orchestration with its payloads.
func (r *rig) state(id string) *wire.OrchestrationState {
	r.t.Helper()
	return must(r.GetInstance(r.ctx, &wire.GetInstanceRequest{InstanceId: id, GetInputsAndOutputs: true}))(r.t).GetOrchestrationState()
}

// ended waits until an orchestration has ended, and for its status.
func (r *rig) ended(id string, want wire.OrchestrationStatus) *wire.OrchestrationState {
	r.t.Helper()
	s := must(r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: id, GetInputsAndOutputs: true}))(r.t).GetOrchestrationState()
	if s.GetOrchestrationStatus() != want {
		r.t.Fatalf("instance %q is %s (%v), want %s", id, s.GetOrchestrationStatus(), s.GetFailureDetails(), want)
	}
	r.check(id)
	return s
}

// check holds that the history of an orchestration is one.
func (r *rig) check(id string) {
	r.t.Helper()
	history, err := r.hub.Engine().History(r.ctx, id)
	if err == nil {
		err = histories.CheckForeign(history)
	}
	if err != nil {
		r.t.Fatalf("the history of %q: %v", id, err)
	}
}

// waits reads what an orchestration or entity waits for.
func (r *rig) waits(id string) *model.Waits {
	r.t.Helper()
	i, err := r.hub.Engine().Get(r.ctx, id, engine.GetOptions{Waits: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return i.Waits
}

// history reads a whole history.
func (r *rig) history(q *wire.StreamInstanceHistoryRequest) ([]*wire.HistoryEvent, int, error) {
	stream, err := r.StreamInstanceHistory(r.ctx, q)
	if err != nil {
		return nil, 0, err
	}
	var all []*wire.HistoryEvent
	for chunks := 0; ; chunks++ {
		c, err := stream.Recv()
		if err != nil {
			if err.Error() == "EOF" {
				return all, chunks, nil
			}
			return all, chunks, err
		}
		all = append(all, c.GetEvents()...)
	}
}

// worker is a worker's stream of work.
type worker struct {
	r      *rig
	items  chan *wire.WorkItem
	pings  chan struct{}
	end    context.CancelFunc
	failed chan error // how the stream ended
}

// everything is what a worker asks for that handles all.
func everything() *wire.GetWorkItemsRequest { return &wire.GetWorkItemsRequest{} }

// work connects a worker. When it returns the hub knows it.
func (r *rig) work(q *wire.GetWorkItemsRequest) *worker {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	stream := must(r.GetWorkItems(ctx, q))(r.t)
	if _, err := stream.Header(); err != nil {
		r.t.Fatal(err)
	}
	w := &worker{r: r, items: make(chan *wire.WorkItem, 10_000), pings: make(chan struct{}, 100), end: cancel, failed: make(chan error, 1)}
	go func() {
		for {
			i, err := stream.Recv()
			switch {
			case err != nil:
				w.failed <- err
				return
			case i.GetHealthPing() != nil:
				select {
				case w.pings <- struct{}{}:
				default: // nobody counts that many
				}
			default:
				w.items <- i
			}
		}
	}()
	return w
}

// next returns the next item of work.
func (w *worker) next() *wire.WorkItem {
	w.r.t.Helper()
	select {
	case i := <-w.items:
		return i
	case err := <-w.failed:
		w.r.t.Fatalf("the stream ended: %v", err)
	case <-time.After(patience):
		w.r.t.Fatal("no work has come")
	}
	return nil
}

// nothing holds that no item of work has come.
func (w *worker) nothing() {
	w.r.t.Helper()
	select {
	case i := <-w.items:
		w.r.t.Fatalf("unexpected work: %v", i)
	default:
	}
}

// step returns the next item, which is a step of an orchestration.
func (w *worker) step(id string) *wire.WorkItem {
	w.r.t.Helper()
	i := w.next()
	q := i.GetOrchestratorRequest()
	if q.GetInstanceId() != id {
		w.r.t.Fatalf("work is %v, want a step of %q", i, id)
	}
	if len(q.NewEvents) == 0 || q.NewEvents[0].GetOrchestratorStarted() == nil || q.EntityParameters == nil {
		w.r.t.Fatalf("a step that SDKs do not take: %v", q)
	}
	return i
}

// task returns the next item, which is an activity.
func (w *worker) task(name string) *wire.WorkItem {
	w.r.t.Helper()
	i := w.next()
	if i.GetActivityRequest().GetName() != name || i.GetCompletionToken() == "" {
		w.r.t.Fatalf("work is %v, want activity %q", i, name)
	}
	return i
}

// batch returns the next item, which is a batch of operations on an entity.
func (w *worker) batch(id string) *wire.WorkItem {
	w.r.t.Helper()
	i := w.next()
	if i.GetEntityRequestV2().GetInstanceId() != id {
		w.r.t.Fatalf("work is %v, want operations on %q", i, id)
	}
	return i
}

// answer completes a step.
func (w *worker) answer(i *wire.WorkItem, actions ...*wire.OrchestratorAction) {
	w.r.t.Helper()
	_, err := w.r.CompleteOrchestratorTask(w.r.ctx, w.r.response(i, actions...))
	if err != nil {
		w.r.t.Fatal(err)
	}
}

func (*rig) response(i *wire.WorkItem, actions ...*wire.OrchestratorAction) *wire.OrchestratorResponse {
	return &wire.OrchestratorResponse{InstanceId: i.GetOrchestratorRequest().GetInstanceId(), CompletionToken: i.GetCompletionToken(), Actions: actions}
}

// did completes an activity.
func (w *worker) did(i *wire.WorkItem, result string) {
	w.r.t.Helper()
	_, err := w.r.CompleteActivityTask(w.r.ctx, w.r.result(i, result))
	if err != nil {
		w.r.t.Fatal(err)
	}
}

func (*rig) result(i *wire.WorkItem, result string) *wire.ActivityResponse {
	a := i.GetActivityRequest()
	return &wire.ActivityResponse{InstanceId: a.GetOrchestrationInstance().GetInstanceId(), TaskId: a.GetTaskId(), Result: text(result), CompletionToken: i.GetCompletionToken()}
}

// applied completes a batch of operations.
func (w *worker) applied(i *wire.WorkItem, state string, results ...string) {
	w.r.t.Helper()
	b := &wire.EntityBatchResult{CompletionToken: i.GetCompletionToken(), EntityState: text(state)}
	for _, r := range results {
		b.Results = append(b.Results, succeeded(r))
	}
	if _, err := w.r.CompleteEntityTask(w.r.ctx, b); err != nil {
		w.r.t.Fatal(err)
	}
}

// kinds lists the types of events in short.
func kinds(events []*wire.HistoryEvent) (names []string) {
	for _, e := range events {
		names = append(names, fmt.Sprintf("%T", e.EventType)[len("*wire.HistoryEvent_"):])
	}
	return names
}
