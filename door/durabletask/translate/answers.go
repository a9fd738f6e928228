package translate

import (
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// What a worker of this project says: the inverse of what is read from others.

// Answer says what a step came to, without its token.
func Answer(r *engine.OrchestrationResult) (*wire.OrchestratorResponse, error) {
	q := &wire.OrchestratorResponse{CustomStatus: Payload(r.CustomStatus), Actions: make([]*wire.OrchestratorAction, 0, len(r.Events)+len(r.Terminate))}
	for i := range r.Events {
		a, err := actionOf(&r.Events[i])
		if err != nil {
			return nil, err
		}
		q.Actions = append(q.Actions, a)
	}
	for i := range r.Terminate {
		t := &r.Terminate[i]
		q.Actions = append(q.Actions, &wire.OrchestratorAction{OrchestratorActionType: &wire.OrchestratorAction_TerminateOrchestration{
			TerminateOrchestration: &wire.TerminateOrchestrationAction{InstanceId: valid(t.Instance), Reason: Payload(t.Output), Recurse: t.Recursive},
		}})
	}
	if r.Rewound != nil {
		q.Actions = append(q.Actions, &wire.OrchestratorAction{OrchestratorActionType: &wire.OrchestratorAction_RewindOrchestration{
			RewindOrchestration: &wire.RewindOrchestrationAction{NewHistory: EventsWithExtras(r.Rewound)},
		}})
	}
	return q, nil
}

// EventsWithExtras is Events for who reads extras.
func EventsWithExtras(list []model.Event) []*wire.HistoryEvent {
	out := Events(list)
	for i := range list {
		AddExtra(out[i], &list[i])
	}
	return out
}

// actionOf says an event that an orchestration asks for.
func actionOf(e *model.Event) (*wire.OrchestratorAction, error) {
	a, x := &wire.OrchestratorAction{Id: e.ID}, e.Extra()
	switch e.Kind {
	case model.TaskScheduled:
		a.OrchestratorActionType = &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{
			Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload), Tags: tags(x.Tags), ParentTraceContext: Trace(x.Trace),
		}}
	case model.ChildCreated:
		a.OrchestratorActionType = &wire.OrchestratorAction_CreateSubOrchestration{CreateSubOrchestration: &wire.CreateSubOrchestrationAction{
			InstanceId: valid(e.Instance), Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload),
			Tags: tags(x.Tags), ParentTraceContext: Trace(x.Trace),
		}}
	case model.TimerCreated:
		a.OrchestratorActionType = &wire.OrchestratorAction_CreateTimer{CreateTimer: &wire.CreateTimerAction{FireAt: Timestamp(e.FireAt)}}
	case model.EventSent:
		a.OrchestratorActionType = &wire.OrchestratorAction_SendEvent{SendEvent: &wire.SendEventAction{
			Instance: instance(e.Instance, model.ExecutionID{}), Name: valid(e.Name), Data: Payload(e.Payload),
		}}
	case model.EntitySignaled, model.EntityCalled, model.EntityLockRequested, model.EntityUnlockSent:
		a.OrchestratorActionType = &wire.OrchestratorAction_SendEntityMessage{SendEntityMessage: messageOf(Event(e))}
	case model.ExecutionCompleted:
		a.OrchestratorActionType = &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: completionOf(e)}
	case model.MarkerRecorded: // an extra
	default:
		return nil, fmt.Errorf("an orchestration cannot ask for %v", e.Kind)
	}
	AddExtra(a, e)
	return a, nil
}

// messageOf says a message to an entity, from how a history says it.
func messageOf(h *wire.HistoryEvent) *wire.SendEntityMessageAction {
	switch t := h.GetEventType().(type) {
	case *wire.HistoryEvent_EntityOperationSignaled:
		return &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityOperationSignaled{EntityOperationSignaled: t.EntityOperationSignaled}}
	case *wire.HistoryEvent_EntityOperationCalled:
		return &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityOperationCalled{EntityOperationCalled: t.EntityOperationCalled}}
	case *wire.HistoryEvent_EntityLockRequested:
		return &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityLockRequested{EntityLockRequested: t.EntityLockRequested}}
	case *wire.HistoryEvent_EntityUnlockSent:
		return &wire.SendEntityMessageAction{EntityMessageType: &wire.SendEntityMessageAction_EntityUnlockSent{EntityUnlockSent: t.EntityUnlockSent}}
	}
	return nil
}

func completionOf(e *model.Event) *wire.CompleteOrchestrationAction {
	x := e.Extra()
	c := &wire.CompleteOrchestrationAction{
		OrchestrationStatus: Status(x.Status), Result: Payload(e.Payload), FailureDetails: Failure(e.Failure), Tags: tags(x.Tags),
		CarryoverEvents: EventsWithExtras(x.CarryOver),
	}
	if x.NewVersion != nil {
		c.NewVersion = wrapperspb.String(valid(*x.NewVersion))
	}
	return c
}

// EntityAnswer says what a batch of operations came to, without its token.
func EntityAnswer(r *engine.EntityResult) (*wire.EntityBatchResult, error) {
	b := &wire.EntityBatchResult{EntityState: Payload(r.State), FailureDetails: Failure(r.Failure), Results: make([]*wire.OperationResult, len(r.Results))}
	for i := range r.Results {
		if f := r.Results[i].Failure; f != nil {
			b.Results[i] = &wire.OperationResult{ResultType: &wire.OperationResult_Failure{Failure: &wire.OperationResultFailure{FailureDetails: Failure(f)}}}
			continue
		}
		b.Results[i] = &wire.OperationResult{ResultType: &wire.OperationResult_Success{Success: &wire.OperationResultSuccess{Result: Payload(r.Results[i].Output)}}}
	}
	for i := range r.Events {
		a, err := operationActionOf(&r.Events[i])
		if err != nil {
			return nil, err
		}
		b.Actions = append(b.Actions, a)
	}
	return b, nil
}

func operationActionOf(e *model.Event) (*wire.OperationAction, error) {
	a, x := &wire.OperationAction{Id: e.ID}, e.Extra()
	switch e.Kind {
	case model.EntitySignaled:
		a.OperationActionType = &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{
			InstanceId: valid(e.Instance), Name: valid(e.Name), Input: Payload(e.Payload), ScheduledTime: Timestamp(e.FireAt), ParentTraceContext: Trace(x.Trace),
		}}
	case model.ChildCreated:
		a.OperationActionType = &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{
			InstanceId: valid(e.Instance), Name: valid(e.Name), Version: optional(e.Version), Input: Payload(e.Payload),
			ScheduledTime: Timestamp(e.FireAt), ParentTraceContext: Trace(x.Trace),
		}}
		addTags(a, x.Tags)
	case model.EventSent:
		addSent(a, e)
	default:
		return nil, fmt.Errorf("an entity cannot ask for %v", e.Kind)
	}
	return a, nil
}
