package translate

import (
	"fmt"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Actions reads what a step asks for into its result. Completion comes last,
// wherever it stood; the others keep their order.
func Actions(r *engine.OrchestrationResult, list []*wire.OrchestratorAction) error {
	var end *model.Event
	for i, a := range list {
		if end != nil && a.GetCompleteOrchestration() != nil {
			return fmt.Errorf("action %d completes the orchestration a second time", i)
		}
		e, err := action(r, a)
		switch {
		case err != nil:
			return fmt.Errorf("action %d: %w", i, err)
		case e == nil:
		case e.Kind == model.ExecutionCompleted:
			end = e
		case a.GetCreateTimer().GetFireAt() != nil && e.FireAt == 0:
			// The first moment of 1970, which model.Time has for no time at all, is as
			// long ago as the one after it.
			e.FireAt = 1
			fallthrough
		default:
			r.Events = append(r.Events, *e)
		}
	}
	if end != nil {
		r.Events = append(r.Events, *end)
	}
	return nil
}

// action reads one action. It returns nil for what is no event.
func action(r *engine.OrchestrationResult, a *wire.OrchestratorAction) (*model.Event, error) {
	e := &model.Event{ID: a.GetId()}
	x := model.Ext{}
	switch t := a.GetOrchestratorActionType().(type) {
	case *wire.OrchestratorAction_ScheduleTask:
		s := t.ScheduleTask
		e.Kind, e.Name, e.Version, e.Payload = model.TaskScheduled, s.GetName(), s.GetVersion().GetValue(), Bytes(s.GetInput())
		x.Tags, x.Trace = tags(s.GetTags()), ToTrace(s.GetParentTraceContext())
	case *wire.OrchestratorAction_CreateSubOrchestration:
		c := t.CreateSubOrchestration
		e.Kind, e.Instance, e.Name, e.Version, e.Payload = model.ChildCreated, c.GetInstanceId(), c.GetName(), c.GetVersion().GetValue(), Bytes(c.GetInput())
		x.Tags, x.Trace = tags(c.GetTags()), ToTrace(c.GetParentTraceContext())
	case *wire.OrchestratorAction_CreateTimer:
		e.Kind, e.FireAt = model.TimerCreated, Time(t.CreateTimer.GetFireAt())
	case *wire.OrchestratorAction_SendEvent:
		return e, sendEvent(e, t.SendEvent)
	case *wire.OrchestratorAction_SendEntityMessage:
		if err := entityMessage(e, &x, t.SendEntityMessage); err != nil {
			return nil, err
		}
	case *wire.OrchestratorAction_CompleteOrchestration:
		if err := completion(e, &x, t.CompleteOrchestration); err != nil {
			return nil, err
		}
	case *wire.OrchestratorAction_TerminateOrchestration:
		q := t.TerminateOrchestration
		r.Terminate = append(r.Terminate, engine.TerminateRequest{Instance: q.GetInstanceId(), Output: Bytes(q.GetReason()), Recursive: q.GetRecurse()})
		return nil, nil
	case *wire.OrchestratorAction_RewindOrchestration:
		history, err := ToEvents(t.RewindOrchestration.GetNewHistory())
		if history == nil && err == nil {
			history = []model.Event{}
		}
		r.Rewound = history
		return nil, err
	default:
		if readExtra(e, a); e.Kind != model.MarkerRecorded {
			return nil, fmt.Errorf("an action of a type that this server does not know")
		}
		return e, nil
	}
	e.Ext = extra(x)
	readExtra(e, a)
	return e, nil
}

// sendEvent reads an event for another instance, which may be a message to an
// entity in the classic way.
func sendEvent(e *model.Event, s *wire.SendEventAction) error {
	instance, name, data := s.GetInstance().GetInstanceId(), s.GetName(), Bytes(s.GetData())
	if classic, err := ReadClassic(e, instance, name, data); classic || err != nil {
		return err
	}
	e.Kind, e.Instance, e.Name, e.Payload = model.EventSent, instance, name, data
	return nil
}

func entityMessage(e *model.Event, x *model.Ext, m *wire.SendEntityMessageAction) error {
	switch t := m.GetEntityMessageType().(type) {
	case *wire.SendEntityMessageAction_EntityOperationSignaled:
		readSignal(e, t.EntityOperationSignaled)
	case *wire.SendEntityMessageAction_EntityOperationCalled:
		readCall(e, t.EntityOperationCalled)
	case *wire.SendEntityMessageAction_EntityLockRequested:
		readLock(e, x, t.EntityLockRequested)
	case *wire.SendEntityMessageAction_EntityUnlockSent:
		readUnlock(e, t.EntityUnlockSent)
	default:
		return fmt.Errorf("a message to an entity of a type that this server does not know")
	}
	return nil
}

func completion(e *model.Event, x *model.Ext, c *wire.CompleteOrchestrationAction) (err error) {
	e.Kind, e.Payload, e.Failure, x.Tags = model.ExecutionCompleted, Bytes(c.GetResult()), ToFailure(c.GetFailureDetails()), tags(c.GetTags())
	if x.Status, err = status(c.GetOrchestrationStatus()); err != nil {
		return err
	}
	if !x.Status.Ended() && x.Status != model.ContinuedAsNew {
		return fmt.Errorf("it completes the orchestration as %s, which is no way to end", x.Status)
	}
	if x.Status == model.Failed && e.Failure == nil {
		// Early SDKs described the failure in words.
		e.Failure = &model.Failure{Message: c.GetDetails().GetValue()}
	}
	if c.GetNewVersion() != nil {
		version := c.GetNewVersion().GetValue()
		x.NewVersion = &version
	}
	x.CarryOver, err = carriedOver(c.GetCarryoverEvents())
	return err
}

// carriedOver reads the events that the next execution is to be told.
func carriedOver(list []*wire.HistoryEvent) ([]model.Event, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]model.Event, 0, len(list))
	for i, h := range list {
		r, ok := h.GetEventType().(*wire.HistoryEvent_EventRaised)
		if !ok {
			return nil, fmt.Errorf("event %d that it carries over was not raised: only such can be", i)
		}
		out = append(out, model.Event{
			Kind: model.EventRaised, ID: model.NoID, Time: Time(h.GetTimestamp()), Name: r.EventRaised.GetName(), Payload: Bytes(r.EventRaised.GetInput()),
		})
	}
	return out, nil
}
