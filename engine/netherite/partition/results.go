package partition

import (
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// checkResult says what is wrong with a step's result; nil if nothing is. A
// worker that breaks a rule fails its instance, and nothing else.
func checkResult(r *engine.OrchestrationResult) *model.Failure {
	if len(r.Events) > MaxStepEvents {
		return largeStep("a step asked for %d things at once, at most %d are allowed", len(r.Events), MaxStepEvents)
	}
	size := len(r.CustomStatus)
	for i := range r.Events {
		ev := &r.Events[i]
		if what := wrongAction(ev, i == len(r.Events)-1); what != "" {
			return wrongStep("a step yielded event %d of kind %s, %s", ev.ID, ev.Kind, what)
		}
		size += len(ev.Payload)
		for j := range ev.Extra().CarryOver {
			size += len(ev.Ext.CarryOver[j].Payload)
		}
	}
	if size > MaxStepBytes {
		return largeStep("a step's payloads are %d bytes together, at most %d are allowed", size, MaxStepBytes)
	}
	return nil
}

func largeStep(format string, args ...any) *model.Failure {
	return &model.Failure{Type: model.FailureStepTooLarge, NonRetriable: true, Message: fmt.Sprintf(format, args...)}
}

func wrongStep(format string, args ...any) *model.Failure {
	return &model.Failure{Type: model.FailureInvalidStep, NonRetriable: true, Message: fmt.Sprintf(format, args...)}
}

// wrongAction says why an orchestration cannot ask for ev; "" if it can.
func wrongAction(ev *model.Event, last bool) string {
	switch ev.Kind {
	case model.ExecutionCompleted:
		if !last {
			return "and more after it"
		}
	case model.TaskScheduled, model.TimerCreated:
		return wrongID(ev.ID)
	case model.ChildCreated:
		if model.IsEntity(ev.Instance) {
			return fmt.Sprintf("but %q is an entity", ev.Instance)
		}
		if ev.Instance != "" { // else it is derived
			if err := model.ValidateInstanceID(ev.Instance); err != nil {
				return err.Error()
			}
		}
		return wrongID(ev.ID)
	case model.EntitySignaled, model.EntityCalled, model.EntityUnlockSent:
		return wrongEntity(ev.Instance)
	case model.EntityLockRequested:
		for _, e := range ev.Extra().LockSet {
			if what := wrongEntity(e); what != "" {
				return what
			}
		}
	case model.EventSent, model.MarkerRecorded:
	default:
		return "which orchestrations cannot ask for"
	}
	return ""
}

// wrongID refuses what would collide with the engine's own timers.
func wrongID(id int32) string {
	if id < 0 || id >= wakeBase {
		return fmt.Sprintf("whose ID is not in 0 to %d", wakeBase-1)
	}
	return ""
}

func wrongEntity(instance string) string {
	if _, err := model.ParseEntityID(instance); err != nil || len(instance) > model.MaxInstanceID {
		return fmt.Sprintf("but %.40q is not an entity", instance)
	}
	return ""
}
