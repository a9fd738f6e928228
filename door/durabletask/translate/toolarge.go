package translate

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// TooLarge makes of an answer that is larger than a server takes one that says so: the
// activity, the step, or the operations have failed by it. What says whose answer it
// is stays. It reports false for messages that are no answers.
func TooLarge(answer proto.Message, size, limit int64) bool {
	says := func(what string) *wire.TaskFailureDetails {
		return Failure(&model.Failure{Type: model.FailurePayloadTooLarge, NonRetriable: true, Message: fmt.Sprintf(
			"%s makes a message of %d bytes, and no more than %d can be sent to the server: use smaller payloads", what, size, limit)})
	}
	switch q := answer.(type) {
	case *wire.ActivityResponse:
		become(q, &wire.ActivityResponse{
			InstanceId: q.InstanceId, TaskId: q.TaskId, CompletionToken: q.CompletionToken, FailureDetails: says("what the activity came to"),
		})
	case *wire.OrchestratorResponse:
		become(q, &wire.OrchestratorResponse{InstanceId: q.InstanceId, CompletionToken: q.CompletionToken, Actions: []*wire.OrchestratorAction{{
			Id: model.NoID, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
				OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED, FailureDetails: says("what the step came to"),
			}},
		}}})
	case *wire.EntityBatchResult:
		become(q, &wire.EntityBatchResult{
			CompletionToken: q.CompletionToken, OperationInfos: q.OperationInfos, FailureDetails: says("what the operations came to"),
		})
	default:
		return false
	}
	return true
}

// IsTooLarge reports whether that is what has become of a batch of operations.
func IsTooLarge(q *wire.EntityBatchResult) bool {
	return q.GetFailureDetails().GetErrorType() == model.FailurePayloadTooLarge && len(q.GetResults()) == 0
}

func become(q, other proto.Message) {
	proto.Reset(q)
	proto.Merge(q, other)
}
