package partition

import (
	"cmp"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// checkResult says what is wrong with a step's result; nil if nothing is. A
// worker that breaks a rule fails its instance, and nothing else. Children inherit
// the tags.
func checkResult(r *engine.OrchestrationResult, tags map[string]string) *model.Failure {
	if n := len(r.Events) + len(r.Terminate); n > MaxStepEvents {
		return largeStep("a step asked for %d things at once, at most %d are allowed", n, MaxStepEvents)
	}
	size, rest := len(r.CustomStatus), 4*(len(r.CancelTimers)+len(r.CancelTasks))
	for i := range r.Events {
		ev := &r.Events[i]
		if what := wrongAction(ev, i == len(r.Events)-1, tags); what != "" {
			return wrongStep("a step yielded event %d of kind %s, %s", ev.ID, ev.Kind, what)
		}
		size += len(ev.Payload)
		rest += besidePayload(ev)
		for j := range ev.Extra().CarryOver {
			size += len(ev.Ext.CarryOver[j].Payload)
		}
	}
	if r.Rewound != nil {
		if what := wrongHistory(r.Rewound); what != "" {
			return wrongStep("a step yielded a history, %s", what)
		}
	}
	for i := range r.Terminate {
		rest += len(r.Terminate[i].Instance) + len(r.Terminate[i].Output)
	}
	for _, name := range r.Awaits {
		rest += len(name)
	}
	switch {
	case size > MaxStepBytes:
		return largeStep("a step's payloads are %d bytes together, at most %d are allowed", size, MaxStepBytes)
	case rest > MaxStepBytes:
		return largeStep("what a step asks for has %d bytes beside its payloads, at most %d are allowed", rest, MaxStepBytes)
	}
	return nil
}

// EventBytes is the bytes of what an event says.
func EventBytes(ev *model.Event) int {
	n := len(ev.Payload) + besidePayload(ev)
	for i := range ev.Extra().CarryOver {
		n += len(ev.Ext.CarryOver[i].Payload)
	}
	return n
}

// besidePayload is the bytes of an event that are not its payload.
func besidePayload(ev *model.Event) int {
	n := len(ev.Name) + len(ev.Version) + len(ev.Instance) + len(ev.RequestID)
	for f := ev.Failure; f != nil; f = f.Cause {
		n += len(f.Type) + len(f.Message) + len(f.Stack)
		for k, v := range f.Properties { // order-free: a sum
			n += len(k) + len(v)
		}
	}
	x := ev.Ext
	if x == nil {
		return n
	}
	for _, e := range x.LockSet {
		n += len(e)
	}
	if t := x.Trace; t != nil {
		n += len(t.Parent) + len(t.State) + len(t.SpanID)
	}
	for i := range x.CarryOver {
		n += besidePayload(&x.CarryOver[i])
	}
	return n + TagBytes(x.Tags)
}

// TagBytes is the bytes of the names and values of tags.
func TagBytes(tags map[string]string) (n int) {
	for k, v := range tags { // order-free: a sum
		n += len(k) + len(v)
	}
	return n
}

func largeStep(format string, args ...any) *model.Failure {
	return &model.Failure{Type: model.FailureStepTooLarge, NonRetriable: true, Message: fmt.Sprintf(format, args...)}
}

func wrongStep(format string, args ...any) *model.Failure {
	return &model.Failure{Type: model.FailureInvalidStep, NonRetriable: true, Message: fmt.Sprintf(format, args...)}
}

// wrongAction says why an orchestration with these tags cannot ask for ev; "" if
// it can.
func wrongAction(ev *model.Event, last bool, tags map[string]string) string {
	if n := max(len(ev.Name), len(ev.Version), len(ev.RequestID)); n > model.MaxName {
		return fmt.Sprintf("whose name, version or request ID has %d bytes, at most %d are allowed", n, model.MaxName)
	}
	if ev.Ext != nil && len(ev.Ext.Tags) > 0 {
		if ev.Kind != model.ChildCreated {
			tags = nil // only children inherit
		}
		n := TagBytes(ev.Ext.Tags)
		for k, v := range tags { // order-free: a sum
			if _, own := ev.Ext.Tags[k]; !own {
				n += len(k) + len(v)
			}
		}
		if n > MaxTagBytes {
			return fmt.Sprintf("whose tags have %d bytes with those it inherits, at most %d are allowed", n, MaxTagBytes)
		}
	}
	switch ev.Kind {
	case model.ExecutionCompleted:
		if !last {
			return "and more after it"
		}
		if v := ev.Extra().NewVersion; v != nil && len(*v) > model.MaxName {
			return fmt.Sprintf("whose new version has %d bytes, at most %d are allowed", len(*v), model.MaxName)
		}
	case model.TimerCreated:
		if ev.FireAt == 0 && ev.Extra().Timeout <= 0 {
			return "which has no time"
		}
		return wrongID(ev.ID)
	case model.TaskScheduled:
		return cmp.Or(nameless(ev), wrongID(ev.ID))
	case model.ChildCreated:
		if ev.Name == "" {
			return nameless(ev)
		}
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
		if n := len(ev.Extra().LockSet); n > MaxLockSet {
			return fmt.Sprintf("which locks %d entities, at most %d are allowed", n, MaxLockSet)
		}
		for _, e := range ev.Extra().LockSet {
			if what := wrongEntity(e); what != "" {
				return what
			}
		}
	case model.EventSent:
		return nameless(ev)
	case model.MarkerRecorded:
	default:
		return "which orchestrations cannot ask for"
	}
	return ""
}

// nameless refuses what nobody could answer or wait for.
func nameless(ev *model.Event) string {
	if ev.Name == "" {
		return "which has no name"
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
	if err := model.ValidateInstanceID(instance); err != nil {
		return "but there cannot be that entity: " + err.Error()
	}
	return ""
}

// wrongHistory says why an orchestration cannot go on from a history that its worker
// hands in; "" if it can.
func wrongHistory(history []model.Event) string {
	begun := false
	for i := range history {
		ev := &history[i]
		switch {
		case ev.Kind == model.ExecutionStarted && begun:
			return "which begins twice"
		case ev.Kind == model.ExecutionStarted:
			begun = true
		case ev.Kind == model.ExecutionCompleted:
			return "which has ended"
		case ev.Kind.Outgoing():
			if what := wrongAction(ev, false, nil); what != "" {
				return fmt.Sprintf("with event %d of kind %s, %s", ev.ID, ev.Kind, what)
			}
		}
	}
	if !begun {
		return "which does not begin"
	}
	return ""
}
