// Package raw_test speaks the protocol of the Durable Task SDKs to a real server
// without an SDK in between, and kills the server.
package raw_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m)
}

const (
	orders   = 200
	charges  = 5 // activities of an order, one after the other
	workers  = 3
	counter  = "@counter@all"
	patience = 8 * time.Minute
)

// kills are after how many charges the server is killed, besides those that the
// test makes with all orders begun.
var kills = []int{60, 300, 600, 900}

// ledger is what the activities did in the world: it cannot be taken back.
type ledger struct {
	mu     sync.Mutex
	total  int
	kills  int              // that have begun
	runs   map[string][]run // by order and activity
	seen   map[string]int   // by order, how often the server had been killed when its end was seen
	alarms []int            // totals at which somebody is told
	alarm  chan int
}

// run is one run of an activity.
type run struct {
	result string
	// The server that gave it had been killed so often: from how often it had been
	// before the stream was asked for, to how often when it was there.
	low, high int
}

func (l *ledger) killed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kills
}

func (l *ledger) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills++
}

// charge does an activity's work, and what comes of it is new each time.
func (l *ledger) charge(what string, low, high int) (result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	result = what + "/" + strconv.Itoa(l.total)
	l.runs[what] = append(l.runs[what], run{result: result, low: low, high: high})
	if len(l.alarms) > 0 && l.total >= l.alarms[0] {
		l.alarms = l.alarms[1:]
		l.alarm <- l.total
	}
	return result
}

func (l *ledger) saw(order string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[order] = l.kills
}

// repeats holds that charges were made again only if they were out when the server
// was killed: none was given twice by the same life of the server, and none by a later
// life than one in which a client has seen the end of its order. It counts them.
func (l *ledger) repeats(t *testing.T) (extra int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, runs := range l.runs {
		extra += len(runs) - 1
		order, _, _ := strings.Cut(what, ".")
		seen, ended := l.seen[order]
		for i, a := range runs {
			for j, b := range runs {
				if j < i && a.low == a.high && b.low == b.high && a.low == b.low {
					t.Errorf("charge %s was given twice between two kills: %+v, %+v", what, a, b)
				}
			}
			if ended && a.low > seen {
				t.Errorf("charge %s was given after a kill, although the end of its order had been seen before: %+v", what, a)
			}
		}
	}
	return extra
}

func dial(t *testing.T, address string) wire.TaskHubSidecarServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.2, MaxDelay: 200 * time.Millisecond}, MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return wire.NewTaskHubSidecarServiceClient(conn)
}

// serve is a worker that connects again whenever its stream ends.
func serve(ctx context.Context, c wire.TaskHubSidecarServiceClient, l *ledger, fail func(error)) {
	for ctx.Err() == nil {
		low, high := l.killed(), 0
		stream, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{MaxConcurrentOrchestrationWorkItems: 50, MaxConcurrentActivityWorkItems: 50, MaxConcurrentEntityWorkItems: 5})
		if err == nil {
			_, err = stream.Header()
			high = l.killed()
		}
		for err == nil {
			var i *wire.WorkItem
			if i, err = stream.Recv(); err != nil {
				break
			}
			charge := func(what string) string { return l.charge(what, low, high) }
			if refused := answer(ctx, c, charge, i); !mayFail(refused) {
				fail(refused)
			}
		}
		if !mayFail(err) && err != io.EOF {
			fail(err)
			return
		}
	}
}

// mayFail reports whether a call to a server that is killed can fail so: it was not
// reached, or the item is another's by now.
func mayFail(err error) bool {
	switch status.Code(err) {
	case codes.OK, codes.Unavailable, codes.FailedPrecondition, codes.Canceled:
		return true
	}
	return false
}

func answer(ctx context.Context, c wire.TaskHubSidecarServiceClient, charge func(what string) (result string), i *wire.WorkItem) (err error) {
	switch q := i.GetRequest().(type) {
	case *wire.WorkItem_ActivityRequest:
		a := q.ActivityRequest
		id := a.GetOrchestrationInstance().GetInstanceId()
		result := charge(fmt.Sprint(id, ".", a.GetTaskId()))
		_, err = c.CompleteActivityTask(ctx, &wire.ActivityResponse{InstanceId: id, TaskId: a.GetTaskId(), Result: wrapperspb.String(result), CompletionToken: i.GetCompletionToken()})
	case *wire.WorkItem_OrchestratorRequest:
		o := q.OrchestratorRequest
		_, err = c.CompleteOrchestratorTask(ctx, &wire.OrchestratorResponse{
			InstanceId: o.GetInstanceId(), CompletionToken: i.GetCompletionToken(), Actions: order(slices.Concat(o.GetPastEvents(), o.GetNewEvents())),
		})
	case *wire.WorkItem_EntityRequestV2:
		e := q.EntityRequestV2
		n, _ := strconv.Atoi(e.GetEntityState().GetValue())
		b := &wire.EntityBatchResult{CompletionToken: i.GetCompletionToken()}
		for range e.GetOperationRequests() {
			n++
			b.Results = append(b.Results, &wire.OperationResult{ResultType: &wire.OperationResult_Success{Success: &wire.OperationResultSuccess{}}})
		}
		b.EntityState = wrapperspb.String(strconv.Itoa(n))
		_, err = c.CompleteEntityTask(ctx, b)
	}
	return err
}

// order is the code of an orchestration: charges one after the other, and then a
// signal. Its result is what the charges came to.
func order(events []*wire.HistoryEvent) []*wire.OrchestratorAction {
	var results []string
	asked := 0
	for _, e := range events {
		switch t := e.GetEventType().(type) {
		case *wire.HistoryEvent_TaskScheduled:
			asked++
		case *wire.HistoryEvent_TaskCompleted:
			results = append(results, t.TaskCompleted.GetResult().GetValue())
		}
	}
	done := int32(len(results))
	switch {
	case done == charges:
		return []*wire.OrchestratorAction{
			{Id: charges, OrchestratorActionType: &wire.OrchestratorAction_SendEntityMessage{SendEntityMessage: &wire.SendEntityMessageAction{
				EntityMessageType: &wire.SendEntityMessageAction_EntityOperationSignaled{EntityOperationSignaled: &wire.EntityOperationSignaledEvent{
					Operation: "add", TargetInstanceId: wrapperspb.String(counter),
				}}}}},
			{Id: charges + 1, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
				OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, Result: wrapperspb.String(strings.Join(results, " ")),
			}}},
		}
	case asked == int(done):
		return []*wire.OrchestratorAction{{Id: done, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "Charge"}}}}
	}
	return nil
}

// until repeats a call that the server's death breaks off.
func until[R any](t *testing.T, ctx context.Context, call func() (R, error)) R {
	t.Helper()
	for {
		r, err := call()
		if code := status.Code(err); code != codes.Unavailable && code != codes.Canceled || ctx.Err() != nil {
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
}

func TestAServerKilledAmongManyOrchestrationsLosesAndRepeatsNothing(t *testing.T) {
	replaycheck.Not(t) // so that what is not needed leaves the memory
	server := sdktest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	l := &ledger{runs: map[string][]run{}, seen: map[string]int{}, alarms: slices.Clone(kills), alarm: make(chan int, len(kills))}
	wrong := make(chan error, 100)
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for range workers {
		c := dial(t, server.GRPC)
		wg.Go(func() {
			serve(ctx, c, l, func(err error) {
				select {
				case wrong <- err:
				default:
				}
			})
		})
	}
	client := dial(t, server.GRPC)
	wg.Go(func() {
		for i := range orders {
			for ctx.Err() == nil {
				_, err := client.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: fmt.Sprint("order-", i), Name: "Order"})
				if code := status.Code(err); code == codes.OK || code == codes.AlreadyExists {
					break
				} else if code != codes.Unavailable && code != codes.Canceled {
					wrong <- err
					return
				}
			}
		}
	})
	wg.Go(func() { look(ctx, client, l) })
	for range kills {
		select {
		case <-l.alarm:
		case err := <-wrong:
			t.Fatal(err)
		case <-ctx.Done():
			t.Fatal("no charges are made any more")
		}
		l.kill()
		server.Kill(t)
		server.Restart(t)
	}
	audit(t, ctx, client, l)
	select {
	case err := <-wrong:
		t.Error(err)
	default:
	}
}

// look waits for the end of each order, and notes when it sees it.
func look(ctx context.Context, c wire.TaskHubSidecarServiceClient, l *ledger) {
	for i := range orders {
		id := fmt.Sprint("order-", i)
		for ctx.Err() == nil {
			r, err := c.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: id})
			if err == nil && r.GetOrchestrationState().GetOrchestrationStatus() == wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED {
				l.saw(id)
				break
			}
		}
	}
}

// audit holds that every order has ended, that each charge which it knows of was
// made, that it knows of one for each, and that the counter has counted each once.
func audit(t *testing.T, ctx context.Context, c wire.TaskHubSidecarServiceClient, l *ledger) {
	t.Helper()
	for i := range orders {
		id := fmt.Sprint("order-", i)
		var s *wire.OrchestrationState
		for s == nil { // the client that starts them may not have come to it yet
			s = until(t, ctx, func() (*wire.GetInstanceResponse, error) {
				return c.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: id, GetInputsAndOutputs: true})
			}).GetOrchestrationState()
		}
		results := strings.Fields(s.GetOutput().GetValue())
		if s.GetOrchestrationStatus() != wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED || len(results) != charges {
			t.Fatalf("%s is %s with %v", id, s.GetOrchestrationStatus(), s)
		}
		for n, r := range results {
			l.mu.Lock()
			runs := l.runs[fmt.Sprint(id, ".", n)]
			l.mu.Unlock()
			if !slices.ContainsFunc(runs, func(x run) bool { return x.result == r }) {
				t.Errorf("%s: charge %d came to %q, which none of its %d runs did", id, n, r, len(runs))
			}
		}
		once(t, ctx, c, id)
	}
	extra := l.repeats(t)
	for {
		e := until(t, ctx, func() (*wire.GetEntityResponse, error) {
			return c.GetEntity(ctx, &wire.GetEntityRequest{InstanceId: counter, IncludeState: true})
		}).GetEntity()
		n, _ := strconv.Atoi(e.GetSerializedState().GetValue())
		if n > orders || n < orders && ctx.Err() != nil {
			t.Fatalf("the counter is at %d, want %d", n, orders)
		}
		if n == orders && e.GetBacklogQueueSize() == 0 {
			break
		}
	}
	t.Logf("%d orders of %d charges, %d kills: %d charges were made again", orders, charges, len(kills), extra)
}

// once holds that the history of an order has each charge asked for and answered
// once.
func once(t *testing.T, ctx context.Context, c wire.TaskHubSidecarServiceClient, id string) {
	t.Helper()
	stream, err := c.StreamInstanceHistory(ctx, &wire.StreamInstanceHistoryRequest{InstanceId: id})
	asked, answered, starts, ends := map[int32]int{}, map[int32]int{}, 0, 0
	for err == nil {
		var chunk *wire.HistoryChunk
		if chunk, err = stream.Recv(); err != nil {
			break
		}
		for _, e := range chunk.GetEvents() {
			switch h := e.GetEventType().(type) {
			case *wire.HistoryEvent_ExecutionStarted:
				starts++
			case *wire.HistoryEvent_TaskScheduled:
				asked[e.GetEventId()]++
			case *wire.HistoryEvent_TaskCompleted:
				answered[h.TaskCompleted.GetTaskScheduledId()]++
			case *wire.HistoryEvent_ExecutionCompleted:
				ends++
			}
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	for n := range int32(charges) {
		if asked[n] != 1 || answered[n] != 1 || starts != 1 || ends != 1 || len(asked) != charges {
			t.Fatalf("%s: charges were asked for %v and answered %v times, it began %d and ended %d times", id, asked, answered, starts, ends)
		}
	}
}
