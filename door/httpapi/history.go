package httpapi

import (
	"encoding/json"

	"github.com/netherite-go/netherite/model"
)

// event is an event as it is shown: some of its fields, under the names that
// Durable Functions uses.
type event map[string]any

// history shows a history the way the Durable Functions extension does: without the begin of
// each step and what only this engine notes, and with an action only in what it came to.
func history(list []model.Event, d detail) []event {
	scheduled := map[int32]*model.Event{}
	out := []event{}
	for i := range list {
		e := &list[i]
		if e.Kind == model.MarkerRecorded && e.ID == model.NoID {
			continue // a door's own note
		}
		switch e.Kind {
		case model.TaskScheduled, model.ChildCreated:
			scheduled[e.ID] = e
		case model.OrchestratorStarted, model.OrchestratorCompleted, model.MarkerRecorded:
		default:
			out = append(out, show(e, scheduled[e.Ref], d))
		}
	}
	return out
}

// show shows an event; from is the action that it answers, if it is one that the
// answer stands for.
func show(e, from *model.Event, d detail) event {
	v := event{"EventType": e.Kind.String(), "Timestamp": e.Time.Std()}
	switch e.Kind {
	case model.ExecutionStarted:
		v["FunctionName"] = e.Name
		if d.input {
			v["Input"] = value(e.Payload)
		}
		if e.FireAt != 0 {
			v["ScheduledStartTime"] = e.FireAt.Std()
		}
	case model.ExecutionCompleted:
		v["OrchestrationStatus"] = e.Extra().Status.String()
		v.outcome(e, d)
	case model.TaskCompleted, model.TaskFailed, model.ChildCompleted, model.ChildFailed:
		if from != nil {
			v["ScheduledTime"], v["FunctionName"] = from.Time.Std(), from.Name
			if d.input {
				v["Input"] = value(from.Payload)
			}
		}
		v.outcome(e, d)
	case model.TimerCreated, model.TimerFired:
		v["FireAt"] = e.FireAt.Std()
	case model.EventRaised, model.EventSent:
		v["Name"] = e.Name
		if e.Instance != "" {
			v["InstanceId"] = e.Instance
		}
		if d.input {
			v["Input"] = value(e.Payload)
		}
	case model.ExecutionTerminated, model.ExecutionSuspended, model.ExecutionResumed, model.ExecutionRewound:
		v["Reason"] = value(e.Payload)
	default:
		v.other(e, d)
	}
	return v
}

// outcome shows what something came to.
func (v event) outcome(e *model.Event, d detail) {
	if e.Failure != nil {
		v["Reason"], v["Details"] = e.Failure.Message, e.Failure.Error()
	}
	if d.results && e.Failure == nil {
		v["Result"] = json.RawMessage(value(e.Payload))
	}
}

// other shows what has to do with entities.
func (v event) other(e *model.Event, d detail) {
	if e.Instance != "" {
		v["InstanceId"] = e.Instance
	}
	if e.Name != "" {
		v["Name"] = e.Name
	}
	if e.RequestID != "" {
		v["RequestId"] = e.RequestID
	}
	switch {
	case e.Kind == model.EntityResponded, e.Kind == model.EntityOperationFailed:
		v.outcome(e, d)
	case d.input && e.Payload != nil:
		v["Input"] = value(e.Payload)
	}
}
