package durabletask_test

import (
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// The statuses in short.
const (
	running    = wire.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING
	completed  = wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	again      = wire.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW
	failed     = wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED
	terminated = wire.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED
	pending    = wire.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING
	suspended  = wire.OrchestrationStatus_ORCHESTRATION_STATUS_SUSPENDED
)

func text(s string) *wrapperspb.StringValue { return wrapperspb.String(s) }

func schedule(id int32, name, input string) *wire.OrchestratorAction {
	return scheduleTask(id, &wire.ScheduleTaskAction{Name: name, Input: text(input)})
}

func scheduleTask(id int32, a *wire.ScheduleTaskAction) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: a}}
}

func timerAt(id int32, at *timestamppb.Timestamp) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CreateTimer{CreateTimer: &wire.CreateTimerAction{FireAt: at}}}
}

func child(id int32, instance, name string) *wire.OrchestratorAction {
	return childOf(id, &wire.CreateSubOrchestrationAction{InstanceId: instance, Name: name})
}

func childOf(id int32, a *wire.CreateSubOrchestrationAction) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CreateSubOrchestration{CreateSubOrchestration: a}}
}

func send(id int32, instance, name, data string) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_SendEvent{SendEvent: &wire.SendEventAction{
		Instance: &wire.OrchestrationInstance{InstanceId: instance}, Name: name, Data: text(data),
	}}}
}

func end(id int32, result string) *wire.OrchestratorAction {
	return ending(id, &wire.CompleteOrchestrationAction{OrchestrationStatus: completed, Result: text(result)})
}

func ending(id int32, a *wire.CompleteOrchestrationAction) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: a}}
}

func failing(id int32, f *wire.TaskFailureDetails) *wire.OrchestratorAction {
	return ending(id, &wire.CompleteOrchestrationAction{OrchestrationStatus: failed, FailureDetails: f})
}

func terminateOther(instance, reason string) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: 0, OrchestratorActionType: &wire.OrchestratorAction_TerminateOrchestration{
		TerminateOrchestration: &wire.TerminateOrchestrationAction{InstanceId: instance, Reason: text(reason), Recurse: true},
	}}
}

func rewindTo(history []*wire.HistoryEvent) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{OrchestratorActionType: &wire.OrchestratorAction_RewindOrchestration{
		RewindOrchestration: &wire.RewindOrchestrationAction{NewHistory: history},
	}}
}

func message(id int32, m *wire.SendEntityMessageAction) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_SendEntityMessage{SendEntityMessage: m}}
}

func signal(id int32, entity, op, input string) *wire.OrchestratorAction {
	return message(id, &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityOperationSignaled{
		EntityOperationSignaled: &wire.EntityOperationSignaledEvent{RequestId: guid(id), Operation: op, Input: text(input), TargetInstanceId: text(entity)},
	}})
}

func call(id int32, entity, op, input string) *wire.OrchestratorAction {
	return message(id, &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityOperationCalled{
		EntityOperationCalled: &wire.EntityOperationCalledEvent{RequestId: guid(id), Operation: op, Input: text(input), TargetInstanceId: text(entity)},
	}})
}

func lock(id int32, section string, entities ...string) *wire.OrchestratorAction {
	return message(id, &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityLockRequested{
		EntityLockRequested: &wire.EntityLockRequestedEvent{CriticalSectionId: section, LockSet: entities},
	}})
}

func unlock(id int32, section, entity string) *wire.OrchestratorAction {
	return message(id, &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityUnlockSent{
		EntityUnlockSent: &wire.EntityUnlockSentEvent{CriticalSectionId: section, TargetInstanceId: text(entity)},
	}})
}

// guid is a request ID that .NET takes, one for each number.
func guid(id int32) string {
	const digits = "0123456789abcdef"
	return "00000000-0000-4000-8000-0000000000" + string(digits[id/16%16]) + string(digits[id%16])
}

func succeeded(result string) *wire.OperationResult {
	return &wire.OperationResult{ResultType: &wire.OperationResult_Success{Success: &wire.OperationResultSuccess{Result: text(result)}}}
}

func broken(kind, what string) *wire.OperationResult {
	return &wire.OperationResult{ResultType: &wire.OperationResult_Failure{Failure: &wire.OperationResultFailure{
		FailureDetails: &wire.TaskFailureDetails{ErrorType: kind, ErrorMessage: what},
	}}}
}
