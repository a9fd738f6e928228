package durabletask_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// These tests are about early SDKs, such as Java's: their protocol has no completion
// tokens.

// earlyHub serves a hub in memory and returns a function that dials it.
func earlyHub(t *testing.T) func() wire.TaskHubSidecarServiceClient {
	t.Helper()
	hub, err := netherite.Open("early", netherite.InMemory(), netherite.Partitions(1))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s := durabletask.Register(server, hub)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return func() wire.TaskHubSidecarServiceClient {
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return wire.NewTaskHubSidecarServiceClient(conn)
	}
}

// earlyWorker is a worker that does one thing at a time.
type earlyWorker struct {
	t      *testing.T
	c      wire.TaskHubSidecarServiceClient
	stream grpc.ServerStreamingClient[wire.WorkItem]
}

func work(t *testing.T, c wire.TaskHubSidecarServiceClient) *earlyWorker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	stream, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return &earlyWorker{t, c, stream}
}

// next returns the next item.
func (w *earlyWorker) next() *wire.WorkItem {
	w.t.Helper()
	item, err := w.stream.Recv()
	if err != nil {
		w.t.Fatal(err)
	}
	return item
}

// step answers the next item, which has to be a step, and returns it.
func (w *earlyWorker) step(actions ...*wire.OrchestratorAction) *wire.OrchestratorRequest {
	w.t.Helper()
	q := w.next().GetOrchestratorRequest()
	if q == nil {
		w.t.Fatal("the item is no step")
	}
	if _, err := w.c.CompleteOrchestratorTask(w.t.Context(), &wire.OrchestratorResponse{InstanceId: q.GetInstanceId(), Actions: actions}); err != nil {
		w.t.Fatal(err)
	}
	return q
}

func (w *earlyWorker) start(id string) {
	w.t.Helper()
	if _, err := w.c.StartInstance(w.t.Context(), &wire.CreateInstanceRequest{InstanceId: id, Name: "O"}); err != nil {
		w.t.Fatal(err)
	}
}

func activity(id int32) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "A"}}}
}

func event(id int32, to string) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_SendEvent{SendEvent: &wire.SendEventAction{
		Instance: &wire.OrchestrationInstance{InstanceId: to}, Name: "e",
	}}}
}

func complete(id int32, result string) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
		OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, Result: wrapperspb.String(result),
	}}}
}

func TestAnEventThatIsSentAgainWithEveryStepArrivesOnce(t *testing.T) {
	c := earlyHub(t)()
	w := work(t, c)
	w.start("receiver")
	w.step() // it waits
	w.start("sender")
	w.step(event(0, "receiver"), activity(1))
	got := 0
	for range 5 { // the sender's activity and two more steps, the receiver's steps
		item := w.next()
		if a := item.GetActivityRequest(); a != nil {
			if _, err := c.CompleteActivityTask(t.Context(), &wire.ActivityResponse{InstanceId: "sender", TaskId: a.GetTaskId()}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		q := item.GetOrchestratorRequest()
		r := &wire.OrchestratorResponse{InstanceId: q.GetInstanceId()}
		switch {
		case q.GetInstanceId() == "receiver":
			for _, e := range q.GetNewEvents() {
				if e.GetEventRaised() != nil {
					got++
				}
			}
		case len(q.GetPastEvents()) < 6:
			r.Actions = append(r.Actions, event(0, "receiver"), activity(2))
		default:
			r.Actions = append(r.Actions, event(0, "receiver"), complete(3, "1"))
		}
		if _, err := c.CompleteOrchestratorTask(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.RaiseEvent(t.Context(), &wire.RaiseEventRequest{InstanceId: "receiver", Name: "last"}); err != nil {
		t.Fatal(err)
	}
	for last := false; !last; {
		q := w.step()
		for _, e := range q.GetNewEvents() {
			if r := e.GetEventRaised(); r.GetName() == "last" {
				last = true
			} else if r != nil {
				got++
			}
		}
	}
	if got != 1 {
		t.Errorf("the event arrived %d times", got)
	}
}

func TestAnAnswerWithoutATokenIsNotTakenForWhatCameLater(t *testing.T) {
	c := earlyHub(t)()
	w := work(t, c)
	w.start("x")
	w.step(activity(0))
	w.next() // the activity: it takes long
	if _, err := c.TerminateInstance(t.Context(), &wire.TerminateRequest{InstanceId: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitForInstanceCompletion(t.Context(), &wire.GetInstanceRequest{InstanceId: "x"}); err != nil {
		t.Fatal(err)
	}
	w.start("x")
	w.step(activity(0))
	w.next() // the new one's activity has been sent as well
	for _, result := range []string{"old", "new"} {
		if _, err := c.CompleteActivityTask(t.Context(), &wire.ActivityResponse{InstanceId: "x", TaskId: 0, Result: wrapperspb.String(result)}); err != nil {
			t.Fatalf("the %s result: %v", result, err)
		}
	}
	for _, e := range w.step(complete(1, "done")).GetNewEvents() {
		if e.GetTaskCompleted() != nil && e.GetTaskCompleted().GetResult().GetValue() != "new" {
			t.Errorf("the new activity has the result %v", e.GetTaskCompleted().GetResult())
		}
	}
}

func TestOfTwoWorkersWithoutTokensEachAnswersForItself(t *testing.T) {
	dial := earlyHub(t)
	first, second := work(t, dial()), work(t, dial())
	first.start("x")
	items := make(chan string, 2)
	for n, w := range []*earlyWorker{first, second} {
		go func() {
			item, err := w.stream.Recv()
			if err != nil {
				return
			}
			items <- fmt.Sprint(n, item.GetOrchestratorRequest().GetInstanceId())
		}()
	}
	owner, other := first, second
	if n := <-items; n == "1x" {
		owner, other = second, first
	}
	// The other one, which has nothing, answers for the instance: there is one item
	// it can mean.
	if _, err := other.c.CompleteOrchestratorTask(t.Context(), &wire.OrchestratorResponse{InstanceId: "x", Actions: []*wire.OrchestratorAction{complete(0, "1")}}); err != nil {
		t.Fatal(err)
	}
	_, err := owner.c.CompleteOrchestratorTask(t.Context(), &wire.OrchestratorResponse{InstanceId: "x", Actions: []*wire.OrchestratorAction{complete(0, "2")}})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the second answer: %v", err)
	}
}

func TestAfterARefusalWithoutATokenTheStreamEndsAndItsWorkIsOfferedAgain(t *testing.T) {
	c := earlyHub(t)()
	w := work(t, c)
	w.start("x")
	w.step(activity(0), activity(1))
	w.next()
	w.next() // both activities, which are not answered
	if _, err := c.StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: "y", Name: "O"}); err != nil {
		t.Fatal(err)
	}
	w.next()
	_, err := c.CompleteOrchestratorTask(t.Context(), &wire.OrchestratorResponse{InstanceId: "z"})
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("an answer for what nobody has: %v", err)
	}
	if _, err = c.CompleteOrchestratorTask(t.Context(), &wire.OrchestratorResponse{InstanceId: "y", ChunkIndex: wrapperspb.Int32(7)}); status.Code(err) != codes.InvalidArgument {
		t.Fatalf("an answer out of turn: %v", err)
	}
	if _, err := w.stream.Recv(); status.Code(err) != codes.Aborted {
		t.Fatalf("the stream goes on: %v", err)
	}
	again := work(t, c)
	kinds := map[bool]int{}
	for range 3 {
		kinds[again.next().GetActivityRequest() != nil]++
	}
	if kinds[true] != 2 {
		t.Errorf("of three items %d are activities, want 2", kinds[true])
	}
}
