package durabletask

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/spans"
)

// The spans of what workers do are made here, unless a worker says that it makes
// them itself. SDKs that trace, too, hang theirs below these: what a worker is sent
// carries the context of our span in place of the one that asked for the work.

// traced has the spans of an item that a worker has. They are exported when the
// engine has taken what the item came to; those of an item that comes back are
// forgotten. Nil is an item without spans, for which all methods do nothing.
type traced struct {
	now func() time.Time
	// One of these.
	execution  *spans.Execution
	activity   *spans.Span
	operations []*spans.Span
	began      time.Time // of the operations
}

// traceStep begins the span of the execution that a step is of.
func (w *session) traceStep(i *engine.OrchestrationItem, past []model.Event) *traced {
	if w.tracer == nil {
		return nil
	}
	e := w.tracer.Given(i, past)
	if e == nil {
		return nil
	}
	return &traced{now: w.now, execution: e}
}

// traceActivity begins the span of an activity and returns the item as the worker
// is sent it.
func (w *session) traceActivity(i *engine.ActivityItem) (*traced, *engine.ActivityItem) {
	if w.tracer == nil {
		return nil, i
	}
	t := &traced{now: w.now, activity: w.tracer.GivenActivity(i, w.now())}
	sent := *i
	sent.Trace = t.activity.Trace()
	return t, &sent
}

// traceBatch begins the spans of operations and returns the item as the worker is
// sent it.
func (w *session) traceBatch(i *engine.EntityItem) (*traced, *engine.EntityItem) {
	if w.tracer == nil {
		return nil, i
	}
	t := &traced{now: w.now, began: w.now()}
	sent := *i
	sent.Operations = slices.Clone(i.Operations)
	id, _ := model.ParseEntityID(i.Instance)
	for n := range sent.Operations {
		op := &sent.Operations[n]
		span := w.tracer.GivenOperation(id.Name, i, op, t.began)
		t.operations = append(t.operations, span)
		retrace(op, span.Trace())
	}
	return t, &sent
}

// retrace changes the trace context of an event that is ours.
func retrace(e *model.Event, to *model.Trace) {
	x := *e.Extra()
	x.Trace = to
	e.Ext = &x
}

// started replaces the trace context with which the execution began, in a copy of
// events that have it.
func started(events []model.Event, to *model.Trace) []model.Event {
	n := slices.IndexFunc(events, func(e model.Event) bool { return e.Kind == model.ExecutionStarted })
	if n < 0 {
		return events
	}
	events = slices.Clone(events)
	retrace(&events[n], to)
	return events
}

// told returns events of an orchestration as its worker is told them: it was
// started by our span.
func (t *traced) told(events []model.Event) []model.Event {
	if t == nil || t.execution == nil {
		return events
	}
	return started(events, t.execution.Trace())
}

// untold is the inverse of told, for a history that the worker hands in.
func (t *traced) untold(events []model.Event) []model.Event {
	if t == nil || t.execution == nil {
		return events
	}
	return started(events, t.execution.Parent())
}

// carry adds the context of our span to what an orchestration asks for, where its
// worker has said none: it does not trace, or the protocol has no field for it.
func (t *traced) carry(events []model.Event) {
	if t == nil {
		return
	}
	var of *model.Trace
	switch {
	case t.execution != nil:
		of = t.execution.Trace()
	case len(t.operations) == 1:
		of = t.operations[0].Trace()
	default:
		return // the protocol does not say which of several operations has asked
	}
	for i := range events {
		switch e := &events[i]; e.Kind {
		case model.TaskScheduled, model.ChildCreated, model.EntitySignaled, model.EntityCalled:
			if e.Extra().Trace == nil {
				retrace(e, of)
			}
		}
	}
}

// completeStep hands in what a step came to, and ends the span with the execution.
func (h *held) completeStep(r *engine.OrchestrationResult) error {
	var end *model.Event // before the engine has the events
	if n := len(r.Events); h.traced != nil && n > 0 && r.Events[n-1].Kind == model.ExecutionCompleted {
		last := r.Events[n-1]
		end = &last
	}
	err := h.s.conn.CompleteOrchestration(r)
	if err == nil && end != nil {
		h.s.tracer.EndExecution(h.traced.execution, h.orchestration, end.Extra().Status, end.Failure, h.traced.now())
	}
	return err
}

// completeActivity hands in what an activity came to, and ends its span.
func (h *held) completeActivity(r *engine.ActivityResult) error {
	f := r.Failure
	err := h.s.conn.CompleteActivity(r)
	if err == nil && h.traced != nil {
		h.traced.activity.End(h.traced.now(), f)
	}
	return err
}

// completeBatch hands in what operations came to, and ends their spans. times, which
// may be nil, are what the worker says of when they ran.
func (h *held) completeBatch(r *engine.EntityResult, times []*wire.OperationResult) error {
	var results []engine.OperationResult
	if h.traced != nil && r.Failure == nil {
		results = slices.Clone(r.Results)
	}
	if err := h.s.conn.CompleteEntity(r); err != nil {
		return err
	}
	for n := range results {
		at := h.traced.now()
		if n < len(times) {
			at = h.traced.until(times[n], at)
		}
		h.traced.operations[n].End(at, results[n].Failure)
	}
	return nil
}

// until is when an operation ended: as the worker says, if that is possible.
func (t *traced) until(r *wire.OperationResult, now time.Time) time.Time {
	var said *timestamppb.Timestamp
	if said = r.GetSuccess().GetEndTimeUtc(); said == nil {
		said = r.GetFailure().GetEndTimeUtc()
	}
	if at := said.AsTime(); said.IsValid() && at.After(t.began) && at.Before(now) {
		return at
	}
	return now
}
