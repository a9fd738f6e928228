package translate

import (
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// ToEvents is the inverse of History.Say: it reads a history that a worker hands in,
// rewound.
func ToEvents(list []*wire.HistoryEvent) ([]model.Event, error) {
	out := make([]model.Event, 0, len(list))
	classic := map[string]model.Kind{} // what was asked for in the classic way, by request
	for i, h := range list {
		e, err := ToEvent(h)
		if err == nil && e.Kind == model.EventSent {
			_, err = ReadClassic(&e, e.Instance, e.Name, e.Payload)
		}
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		if isClassic(&e) {
			classic[e.RequestID] = e.Kind
		}
		if request, ok := classic[e.Name]; ok && e.Kind == model.EventRaised {
			readClassicAnswer(&e, request)
		}
		out = append(out, e)
	}
	return out, nil
}

// ToEvent is the inverse of Event.
func ToEvent(h *wire.HistoryEvent) (e model.Event, err error) {
	e = model.Event{ID: h.GetEventId(), Time: Time(h.GetTimestamp())}
	x := model.Ext{}
	switch t := h.GetEventType().(type) {
	case *wire.HistoryEvent_ExecutionStarted:
		err = readStarted(&e, &x, t.ExecutionStarted)
	case *wire.HistoryEvent_ExecutionCompleted:
		e.Kind, e.Payload, e.Failure = model.ExecutionCompleted, Bytes(t.ExecutionCompleted.GetResult()), ToFailure(t.ExecutionCompleted.GetFailureDetails())
		x.Status, err = status(t.ExecutionCompleted.GetOrchestrationStatus())
	case *wire.HistoryEvent_ExecutionTerminated:
		e.Kind, e.Payload, x.Recurse = model.ExecutionTerminated, Bytes(t.ExecutionTerminated.GetInput()), t.ExecutionTerminated.GetRecurse()
	case *wire.HistoryEvent_ExecutionSuspended:
		e.Kind, e.Payload = model.ExecutionSuspended, Bytes(t.ExecutionSuspended.GetInput())
	case *wire.HistoryEvent_ExecutionResumed:
		e.Kind, e.Payload = model.ExecutionResumed, Bytes(t.ExecutionResumed.GetInput())
	case *wire.HistoryEvent_ExecutionRewound:
		e.Kind, e.Payload = model.ExecutionRewound, Bytes(t.ExecutionRewound.GetReason())
	case *wire.HistoryEvent_OrchestratorStarted:
		e.Kind = model.OrchestratorStarted
	case *wire.HistoryEvent_OrchestratorCompleted:
		e.Kind = model.OrchestratorCompleted
	case *wire.HistoryEvent_TimerCreated:
		e.Kind, e.FireAt = model.TimerCreated, Time(t.TimerCreated.GetFireAt())
	case *wire.HistoryEvent_TimerFired:
		e.Kind, e.FireAt, e.Ref = model.TimerFired, Time(t.TimerFired.GetFireAt()), t.TimerFired.GetTimerId()
	case *wire.HistoryEvent_EventSent:
		e.Kind, e.Instance, e.Name, e.Payload = model.EventSent, t.EventSent.GetInstanceId(), t.EventSent.GetName(), Bytes(t.EventSent.GetInput())
	case *wire.HistoryEvent_EventRaised:
		e.Kind, e.Name, e.Payload = model.EventRaised, t.EventRaised.GetName(), Bytes(t.EventRaised.GetInput())
	case *wire.HistoryEvent_GenericEvent:
		e.Kind, e.Payload = model.GenericEvent, Bytes(t.GenericEvent.GetData())
	case *wire.HistoryEvent_ContinueAsNew:
		e.Kind, e.Payload = model.ContinuedAsNewEvent, Bytes(t.ContinueAsNew.GetInput())
	default:
		if !readTask(&e, &x, h) && !readEntity(&e, &x, h) {
			return model.Event{}, fmt.Errorf("an event of a type that this server does not know")
		}
	}
	if err != nil {
		return model.Event{}, err
	}
	e.Ext = extra(x)
	readExtra(&e, h)
	return e, nil
}

func readStarted(e *model.Event, x *model.Ext, s *wire.ExecutionStartedEvent) (err error) {
	e.Kind, e.Name, e.Version, e.Payload = model.ExecutionStarted, s.GetName(), s.GetVersion().GetValue(), Bytes(s.GetInput())
	e.Instance, e.FireAt = s.GetOrchestrationInstance().GetInstanceId(), Time(s.GetScheduledStartTimestamp())
	x.Trace, x.Tags = ToTrace(s.GetParentTraceContext()), tags(s.GetTags())
	if x.Execution, err = toExecution(s.GetOrchestrationInstance().GetExecutionId().GetValue()); err != nil {
		return err
	}
	x.Parent, err = toParent(s.GetParentInstance())
	return err
}

func readTask(e *model.Event, x *model.Ext, h *wire.HistoryEvent) bool {
	switch t := h.GetEventType().(type) {
	case *wire.HistoryEvent_TaskScheduled:
		s := t.TaskScheduled
		e.Kind, e.Name, e.Version, e.Payload = model.TaskScheduled, s.GetName(), s.GetVersion().GetValue(), Bytes(s.GetInput())
		x.Tags, x.Trace = tags(s.GetTags()), ToTrace(s.GetParentTraceContext())
	case *wire.HistoryEvent_TaskCompleted:
		e.Kind, e.Ref, e.Payload = model.TaskCompleted, t.TaskCompleted.GetTaskScheduledId(), Bytes(t.TaskCompleted.GetResult())
	case *wire.HistoryEvent_TaskFailed:
		e.Kind, e.Ref, e.Failure = model.TaskFailed, t.TaskFailed.GetTaskScheduledId(), ToFailure(t.TaskFailed.GetFailureDetails())
	case *wire.HistoryEvent_SubOrchestrationInstanceCreated:
		c := t.SubOrchestrationInstanceCreated
		e.Kind, e.Instance, e.Name, e.Version, e.Payload = model.ChildCreated, c.GetInstanceId(), c.GetName(), c.GetVersion().GetValue(), Bytes(c.GetInput())
		x.Tags, x.Trace = tags(c.GetTags()), ToTrace(c.GetParentTraceContext())
	case *wire.HistoryEvent_SubOrchestrationInstanceCompleted:
		c := t.SubOrchestrationInstanceCompleted
		e.Kind, e.Ref, e.Payload = model.ChildCompleted, c.GetTaskScheduledId(), Bytes(c.GetResult())
	case *wire.HistoryEvent_SubOrchestrationInstanceFailed:
		c := t.SubOrchestrationInstanceFailed
		e.Kind, e.Ref, e.Failure = model.ChildFailed, c.GetTaskScheduledId(), ToFailure(c.GetFailureDetails())
	default:
		return false
	}
	return true
}

func readEntity(e *model.Event, x *model.Ext, h *wire.HistoryEvent) bool {
	switch t := h.GetEventType().(type) {
	case *wire.HistoryEvent_EntityOperationSignaled:
		readSignal(e, t.EntityOperationSignaled)
	case *wire.HistoryEvent_EntityOperationCalled:
		readCall(e, t.EntityOperationCalled)
	case *wire.HistoryEvent_EntityOperationCompleted:
		c := t.EntityOperationCompleted
		e.Kind, e.RequestID, e.Payload = model.EntityResponded, c.GetRequestId(), Bytes(c.GetOutput())
	case *wire.HistoryEvent_EntityOperationFailed:
		c := t.EntityOperationFailed
		e.Kind, e.RequestID, e.Failure = model.EntityOperationFailed, c.GetRequestId(), ToFailure(c.GetFailureDetails())
	case *wire.HistoryEvent_EntityLockRequested:
		readLock(e, x, t.EntityLockRequested)
	case *wire.HistoryEvent_EntityLockGranted:
		e.Kind, e.RequestID = model.EntityLockGranted, t.EntityLockGranted.GetCriticalSectionId()
	case *wire.HistoryEvent_EntityUnlockSent:
		readUnlock(e, t.EntityUnlockSent)
	default:
		return false
	}
	return true
}

func readSignal(e *model.Event, s *wire.EntityOperationSignaledEvent) {
	e.Kind, e.Instance, e.Name, e.RequestID = model.EntitySignaled, model.CanonicalID(s.GetTargetInstanceId().GetValue()), s.GetOperation(), s.GetRequestId()
	e.Payload, e.FireAt = Bytes(s.GetInput()), Time(s.GetScheduledTime())
}

func readCall(e *model.Event, c *wire.EntityOperationCalledEvent) {
	e.Kind, e.Instance, e.Name, e.RequestID = model.EntityCalled, model.CanonicalID(c.GetTargetInstanceId().GetValue()), c.GetOperation(), c.GetRequestId()
	e.Payload, e.FireAt = Bytes(c.GetInput()), Time(c.GetScheduledTime())
}

func readLock(e *model.Event, x *model.Ext, l *wire.EntityLockRequestedEvent) {
	e.Kind, e.RequestID, x.LockSet, x.Position = model.EntityLockRequested, l.GetCriticalSectionId(), ids(l.GetLockSet()), l.GetPosition()
}

func ids(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = model.CanonicalID(out[i])
	}
	return out
}

func readUnlock(e *model.Event, u *wire.EntityUnlockSentEvent) {
	e.Kind, e.RequestID, e.Instance = model.EntityUnlockSent, u.GetCriticalSectionId(), model.CanonicalID(u.GetTargetInstanceId().GetValue())
}

func status(s wire.OrchestrationStatus) (model.Status, error) {
	m, ok := ToStatus(s)
	if !ok {
		return 0, fmt.Errorf("there is no orchestration status %d", s)
	}
	return m, nil
}

// extra is the rest of an event's fields; nil if none of them is set.
func extra(x model.Ext) *model.Ext {
	if x.Execution.IsZero() && x.Parent == nil && len(x.Tags) == 0 && x.Trace == nil && x.Status == 0 && !x.Recurse && x.NewVersion == nil &&
		len(x.CarryOver) == 0 && len(x.LockSet) == 0 && x.Position == 0 {
		return nil
	}
	return &x
}
