package server

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// workUntilAllEnded is a worker. Each orchestration calls an activity, which fails;
// then "failed" fails with it, "bad" answers what nobody can understand, and
// others complete. It returns when three have ended and an entity has run.
func workUntilAllEnded(t *testing.T, c wire.TaskHubSidecarServiceClient, ctx context.Context, work grpc.ServerStreamingClient[wire.WorkItem], text *wrapperspb.StringValue) {
	t.Helper()
	failure := &wire.TaskFailureDetails{
		ErrorType: "E", ErrorMessage: text.Value, StackTrace: text, InnerFailure: &wire.TaskFailureDetails{ErrorType: "I", ErrorMessage: text.Value},
	}
	for ended, entity := 0, false; ended < 3 || !entity; {
		item, err := work.Recv()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case item.GetActivityRequest() != nil:
			a := item.GetActivityRequest()
			_, err = c.CompleteActivityTask(ctx, &wire.ActivityResponse{
				InstanceId: a.GetOrchestrationInstance().GetInstanceId(), TaskId: a.GetTaskId(), CompletionToken: item.GetCompletionToken(), FailureDetails: failure,
			})
		case item.GetEntityRequestV2() != nil:
			entity = true
			_, err = c.CompleteEntityTask(ctx, &wire.EntityBatchResult{CompletionToken: item.GetCompletionToken(), EntityState: text, Results: []*wire.OperationResult{
				{ResultType: &wire.OperationResult_Failure{Failure: &wire.OperationResultFailure{FailureDetails: failure}}},
			}})
		case item.GetOrchestratorRequest() != nil:
			q := item.GetOrchestratorRequest()
			r := &wire.OrchestratorResponse{InstanceId: q.GetInstanceId(), CompletionToken: item.GetCompletionToken(), CustomStatus: text}
			r.Actions, err = []*wire.OrchestratorAction{nextAction(q, text, failure)}, nil
			if r.Actions[0].GetScheduleTask() == nil {
				ended++
			}
			_, err = c.CompleteOrchestratorTask(ctx, r)
			if q.GetInstanceId() == "bad" {
				err = nil // which is what it is for
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// nextAction is an orchestration: it schedules an activity, and ends with it.
func nextAction(q *wire.OrchestratorRequest, text *wrapperspb.StringValue, failure *wire.TaskFailureDetails) *wire.OrchestratorAction {
	scheduled := false
	for _, e := range q.GetPastEvents() {
		scheduled = scheduled || e.GetTaskScheduled() != nil
	}
	if !scheduled {
		return &wire.OrchestratorAction{Id: 1, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "A", Input: text}}}
	}
	end := &wire.CompleteOrchestrationAction{OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, Result: text}
	switch q.GetInstanceId() {
	case "failed":
		end = &wire.CompleteOrchestrationAction{OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED, FailureDetails: failure}
	case "bad":
		return &wire.OrchestratorAction{Id: 2, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
			OrchestrationStatus: 77, Result: text,
		}}}
	}
	return &wire.OrchestratorAction{Id: 2, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: end}}
}

// complete completes an orchestration.
func complete(ctx context.Context, c wire.TaskHubSidecarServiceClient, item *wire.WorkItem) error {
	end := &wire.CompleteOrchestrationAction{OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED}
	_, err := c.CompleteOrchestratorTask(ctx, &wire.OrchestratorResponse{
		InstanceId: item.GetOrchestratorRequest().GetInstanceId(), CompletionToken: item.GetCompletionToken(),
		Actions: []*wire.OrchestratorAction{{Id: 1, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: end}}},
	})
	return err
}

// event is what has come on a stream.
type event struct {
	stream int
	item   *wire.WorkItem
	err    error
}

// listen passes on what comes on a stream, until it ends.
func listen(stream int, w grpc.ServerStreamingClient[wire.WorkItem], to chan<- event) {
	for {
		item, err := w.Recv()
		if err != nil {
			to <- event{stream, nil, err}
			return
		}
		if item.GetHealthPing() == nil {
			to <- event{stream, item, nil}
		}
	}
}
