package server

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

const answerLimit = 1 << 20

// answerer is a worker that answers by hand.
type answerer struct {
	t    *testing.T
	c    wire.TaskHubSidecarServiceClient
	work grpc.ServerStreamingClient[wire.WorkItem]
}

func newAnswerer(t *testing.T) *answerer {
	s := start(t, func(c *Config) { c.Limits.Message = answerLimit })
	a := &answerer{t: t, c: wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))}
	var err error
	if a.work, err = a.c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{}); err != nil {
		t.Fatal(err)
	}
	return a
}

// next is the next item that is no sign of life.
func (a *answerer) next() *wire.WorkItem {
	a.t.Helper()
	for {
		m, err := a.work.Recv()
		if err != nil {
			a.t.Fatal(err)
		}
		if m.GetHealthPing() == nil {
			return m
		}
	}
}

func (a *answerer) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatalf("%.300v", err)
	}
}

func (a *answerer) step(m *wire.WorkItem, actions ...*wire.OrchestratorAction) {
	a.t.Helper()
	_, err := a.c.CompleteOrchestratorTask(a.t.Context(), &wire.OrchestratorResponse{
		InstanceId: m.GetOrchestratorRequest().GetInstanceId(), CompletionToken: m.CompletionToken, Actions: actions,
	})
	a.must(err)
}

// schedule is an action that calls activity A.
func schedule(id int32, input string) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{
		ScheduleTask: &wire.ScheduleTaskAction{Name: "A", Input: wrapperspb.String(input)},
	}}
}

// names checks that a failure says what was too large, and how large.
func names(t *testing.T, what string, f *wire.TaskFailureDetails) {
	t.Helper()
	for _, s := range []string{" bytes", fmt.Sprint(answerLimit), "use smaller payloads"} {
		if f.GetErrorType() != "PayloadTooLarge" || !f.GetIsNonRetriable() || !strings.Contains(f.GetErrorMessage(), s) {
			t.Errorf("%s: it has not failed with %q: %v", what, s, f)
		}
	}
}

func TestAnActivityOrStepWhoseAnswerIsTooLargeToBeSentFails(t *testing.T) {
	a, ctx := newAnswerer(t), t.Context()
	_, err := a.c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"})
	a.must(err)
	a.step(a.next(), schedule(0, "1"))
	large := wrapperspb.String(strings.Repeat("x", answerLimit))
	for n, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		m := a.next()
		_, err := a.c.CompleteActivityTask(ctx, &wire.ActivityResponse{
			InstanceId: "i", TaskId: m.GetActivityRequest().GetTaskId(), Result: large, CompletionToken: m.CompletionToken,
		}, opts...)
		a.must(err)
		m = a.next()
		failed := 0
		for _, e := range m.GetOrchestratorRequest().GetNewEvents() {
			if f := e.GetTaskFailed(); f != nil {
				failed++
				names(t, "the activity", f.GetFailureDetails())
			}
		}
		if failed != 1 {
			t.Errorf("%d activities have failed", failed)
		}
		if n == 0 {
			a.step(m, schedule(1, "2"))
			continue
		}
		a.step(m, schedule(2, large.Value), schedule(3, ""))
	}
	g, err := a.c.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: "i", GetInputsAndOutputs: true})
	a.must(err)
	names(t, "the orchestration", g.GetOrchestrationState().GetFailureDetails())
}

func TestOperationsWhoseAnswerIsTooLargeToBeSentFail(t *testing.T) {
	a, ctx := newAnswerer(t), t.Context()
	signal := func(name string) {
		t.Helper()
		_, err := a.c.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: "@e@k", Name: name})
		a.must(err)
	}
	signal("first")
	for _, token := range []bool{true, false} {
		m := a.next()
		q := &wire.EntityBatchResult{EntityState: wrapperspb.String(strings.Repeat("x", answerLimit))}
		if q.CompletionToken = m.CompletionToken; !token {
			q.CompletionToken = ""
		}
		for _, op := range m.GetEntityRequestV2().GetOperationRequests() {
			q.OperationInfos = append(q.OperationInfos, &wire.OperationInfo{RequestId: op.GetEntityOperationSignaled().GetRequestId()})
		}
		_, err := a.c.CompleteEntityTask(ctx, q)
		a.must(err)
		signal(fmt.Sprint("after ", token))
	}
	list := a.next().GetEntityRequestV2().GetOperationRequests()
	if len(list) != 1 || list[0].GetEntityOperationSignaled().GetOperation() != "after false" {
		t.Errorf("operations that have failed come again: %v", list)
	}
}
