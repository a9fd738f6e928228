package translate

import (
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// Events says a piece of the history of an orchestration.
func Events(list []model.Event) []*wire.HistoryEvent {
	out := make([]*wire.HistoryEvent, len(list))
	for i := range list {
		out[i] = Event(&list[i])
	}
	return out
}

// Event says an event of a history, or the content of a message. Every event has
// a time: the SDKs do not accept one without.
func Event(e *model.Event) *wire.HistoryEvent {
	h := &wire.HistoryEvent{EventId: e.ID, Timestamp: stamp(e.Time)}
	switch e.Kind {
	case model.ExecutionStarted, model.ExecutionCompleted, model.ExecutionTerminated, model.ExecutionSuspended,
		model.ExecutionResumed, model.ExecutionRewound, model.OrchestratorStarted:
		sayExecution(h, e)
	case model.TaskScheduled, model.TaskCompleted, model.TaskFailed, model.ChildCreated, model.ChildCompleted, model.ChildFailed:
		sayTask(h, e)
	case model.EntitySignaled, model.EntityCalled, model.EntityResponded, model.EntityOperationFailed,
		model.EntityLockRequested, model.EntityLockGranted, model.EntityUnlockSent:
		sayEntity(h, e)
	default:
		sayOther(h, e)
	}
	return h
}

// sayExecution says what begins, interrupts or ends an execution.
func sayExecution(h *wire.HistoryEvent, e *model.Event) {
	x := e.Extra()
	switch e.Kind {
	case model.ExecutionStarted:
		h.EventType = &wire.HistoryEvent_ExecutionStarted{ExecutionStarted: &wire.ExecutionStartedEvent{
			Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload), OrchestrationInstance: instance(e.Instance, x.Execution),
			ParentInstance: parent(x.Parent), ScheduledStartTimestamp: Timestamp(e.FireAt), ParentTraceContext: Trace(x.Trace), Tags: tags(x.Tags),
		}}
	case model.ExecutionCompleted:
		h.EventType = &wire.HistoryEvent_ExecutionCompleted{ExecutionCompleted: &wire.ExecutionCompletedEvent{
			OrchestrationStatus: Status(x.Status), Result: Payload(e.Payload), FailureDetails: Failure(e.Failure),
		}}
	case model.ExecutionTerminated:
		h.EventType = &wire.HistoryEvent_ExecutionTerminated{ExecutionTerminated: &wire.ExecutionTerminatedEvent{
			Input: Payload(e.Payload), Recurse: x.Recurse,
		}}
	case model.ExecutionSuspended:
		h.EventType = &wire.HistoryEvent_ExecutionSuspended{ExecutionSuspended: &wire.ExecutionSuspendedEvent{Input: Payload(e.Payload)}}
	case model.ExecutionResumed:
		h.EventType = &wire.HistoryEvent_ExecutionResumed{ExecutionResumed: &wire.ExecutionResumedEvent{Input: Payload(e.Payload)}}
	case model.ExecutionRewound:
		h.EventType = &wire.HistoryEvent_ExecutionRewound{ExecutionRewound: &wire.ExecutionRewoundEvent{Reason: Payload(e.Payload)}}
	case model.OrchestratorStarted:
		h.EventType = &wire.HistoryEvent_OrchestratorStarted{OrchestratorStarted: &wire.OrchestratorStartedEvent{}}
	}
}

// sayTask says what has to do with activities and sub-orchestrations.
func sayTask(h *wire.HistoryEvent, e *model.Event) {
	x := e.Extra()
	switch e.Kind {
	case model.TaskScheduled:
		h.EventType = &wire.HistoryEvent_TaskScheduled{TaskScheduled: &wire.TaskScheduledEvent{
			Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload), ParentTraceContext: Trace(x.Trace), Tags: tags(x.Tags),
		}}
	case model.TaskCompleted:
		h.EventType = &wire.HistoryEvent_TaskCompleted{TaskCompleted: &wire.TaskCompletedEvent{TaskScheduledId: e.Ref, Result: Payload(e.Payload)}}
	case model.TaskFailed:
		h.EventType = &wire.HistoryEvent_TaskFailed{TaskFailed: &wire.TaskFailedEvent{TaskScheduledId: e.Ref, FailureDetails: given(e.Failure)}}
	case model.ChildCreated:
		h.EventType = &wire.HistoryEvent_SubOrchestrationInstanceCreated{SubOrchestrationInstanceCreated: &wire.SubOrchestrationInstanceCreatedEvent{
			InstanceId: valid(e.Instance), Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload),
			ParentTraceContext: Trace(x.Trace), Tags: tags(x.Tags),
		}}
	case model.ChildCompleted:
		h.EventType = &wire.HistoryEvent_SubOrchestrationInstanceCompleted{SubOrchestrationInstanceCompleted: &wire.SubOrchestrationInstanceCompletedEvent{
			TaskScheduledId: e.Ref, Result: Payload(e.Payload),
		}}
	case model.ChildFailed:
		h.EventType = &wire.HistoryEvent_SubOrchestrationInstanceFailed{SubOrchestrationInstanceFailed: &wire.SubOrchestrationInstanceFailedEvent{
			TaskScheduledId: e.Ref, FailureDetails: given(e.Failure),
		}}
	}
}

// given says a failure that SDKs look into without asking whether it is there.
func given(f *model.Failure) *wire.TaskFailureDetails {
	if f == nil {
		return &wire.TaskFailureDetails{}
	}
	return Failure(f)
}

// sayEntity says what has to do with entities. A message names who has sent it.
func sayEntity(h *wire.HistoryEvent, e *model.Event) {
	x := e.Extra()
	var from, execution *wrapperspb.StringValue
	if p := x.Parent; p != nil {
		from = optional(p.Instance)
		if !p.Execution.IsZero() {
			execution = wrapperspb.String(p.Execution.String())
		}
	}
	switch e.Kind {
	case model.EntitySignaled:
		h.EventType = &wire.HistoryEvent_EntityOperationSignaled{EntityOperationSignaled: &wire.EntityOperationSignaledEvent{
			RequestId: valid(e.RequestID), Operation: valid(e.Name), ScheduledTime: Timestamp(e.FireAt), Input: Payload(e.Payload),
			TargetInstanceId: optional(e.Instance),
		}}
	case model.EntityCalled:
		h.EventType = &wire.HistoryEvent_EntityOperationCalled{EntityOperationCalled: &wire.EntityOperationCalledEvent{
			RequestId: valid(e.RequestID), Operation: valid(e.Name), ScheduledTime: Timestamp(e.FireAt), Input: Payload(e.Payload),
			ParentInstanceId: from, ParentExecutionId: execution, TargetInstanceId: optional(e.Instance),
		}}
	case model.EntityResponded:
		h.EventType = &wire.HistoryEvent_EntityOperationCompleted{EntityOperationCompleted: &wire.EntityOperationCompletedEvent{
			RequestId: valid(e.RequestID), Output: Payload(e.Payload),
		}}
	case model.EntityOperationFailed:
		h.EventType = &wire.HistoryEvent_EntityOperationFailed{EntityOperationFailed: &wire.EntityOperationFailedEvent{
			RequestId: valid(e.RequestID), FailureDetails: given(e.Failure),
		}}
	case model.EntityLockRequested:
		h.EventType = &wire.HistoryEvent_EntityLockRequested{EntityLockRequested: &wire.EntityLockRequestedEvent{
			CriticalSectionId: valid(e.RequestID), LockSet: validAll(x.LockSet), Position: x.Position, ParentInstanceId: from,
		}}
	case model.EntityLockGranted:
		h.EventType = &wire.HistoryEvent_EntityLockGranted{EntityLockGranted: &wire.EntityLockGrantedEvent{CriticalSectionId: valid(e.RequestID)}}
	case model.EntityUnlockSent:
		h.EventType = &wire.HistoryEvent_EntityUnlockSent{EntityUnlockSent: &wire.EntityUnlockSentEvent{
			CriticalSectionId: valid(e.RequestID), ParentInstanceId: from, TargetInstanceId: optional(e.Instance),
		}}
	}
}

// sayOther says timers, external events, and what the protocol has no words for.
func sayOther(h *wire.HistoryEvent, e *model.Event) {
	switch e.Kind {
	case model.TimerCreated:
		h.EventType = &wire.HistoryEvent_TimerCreated{TimerCreated: &wire.TimerCreatedEvent{FireAt: stamp(e.FireAt)}}
	case model.TimerFired:
		h.EventType = &wire.HistoryEvent_TimerFired{TimerFired: &wire.TimerFiredEvent{FireAt: stamp(e.FireAt), TimerId: e.Ref}}
	case model.EventSent:
		h.EventType = &wire.HistoryEvent_EventSent{EventSent: &wire.EventSentEvent{
			InstanceId: valid(e.Instance), Name: valid(e.Name), Input: Payload(e.Payload),
		}}
	case model.EventRaised:
		h.EventType = &wire.HistoryEvent_EventRaised{EventRaised: &wire.EventRaisedEvent{Name: valid(e.Name), Input: Payload(e.Payload)}}
	case model.OrchestratorCompleted:
		h.EventType = &wire.HistoryEvent_OrchestratorCompleted{OrchestratorCompleted: &wire.OrchestratorCompletedEvent{}}
	case model.ContinuedAsNewEvent:
		h.EventType = &wire.HistoryEvent_ContinueAsNew{ContinueAsNew: &wire.ContinueAsNewEvent{Input: Payload(e.Payload)}}
	case model.MarkerRecorded:
		h.EventType = &wire.HistoryEvent_GenericEvent{GenericEvent: &wire.GenericEvent{Data: wrapperspb.String("marker " + valid(e.Name))}}
	default:
		h.EventType = &wire.HistoryEvent_GenericEvent{GenericEvent: &wire.GenericEvent{Data: Payload(e.Payload)}}
	}
}
