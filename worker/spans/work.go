package spans

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Activity begins the span of one attempt of an activity. The context is in it.
func (t *Tracer) Activity(item *engine.ActivityItem, at time.Time) (context.Context, *Span) {
	return t.activity(carriedIn(item.Trace), item, at)
}

func (t *Tracer) activity(ctx context.Context, item *engine.ActivityItem, at time.Time) (context.Context, *Span) {
	ctx, s := t.begin(ctx, "activity:"+item.Name, trace.SpanKindServer, at,
		attrType.String("activity"), attrName.String(item.Name), attrInstance.String(item.Instance),
		attrExecution.String(item.Execution.String()), attrTask.Int(int(item.Task)), attrAttempt.Int(int(max(item.Attempt, 1))))
	if item.Version != "" {
		s.span.SetAttributes(attrVersion.String(item.Version))
	}
	return ctx, s
}

// Operation begins the span of one operation of an entity of the named type.
func (t *Tracer) Operation(entity string, item *engine.EntityItem, op *model.Event, at time.Time) *Span {
	return t.operation(carriedIn(op.Extra().Trace), entity, item, op, at)
}

func (t *Tracer) operation(ctx context.Context, entity string, item *engine.EntityItem, op *model.Event, at time.Time) *Span {
	_, s := t.begin(ctx, "entity:"+entity+":"+op.Name, trace.SpanKindServer, at,
		attrType.String("entity"), attrName.String(entity), attrInstance.String(item.Instance), attrOperation.String(op.Name))
	return s
}

// Execution is the span of one execution of an orchestration, as one of its live
// copies knows it.
type Execution struct {
	Span
	began   time.Time
	context trace.SpanContext // of the span that the execution's messages refer to
	parent  *model.Trace
	lost    bool // that was begun by an earlier copy
}

// Execution begins the span of an execution that is about to make a step, or
// finds what an earlier copy of it has left in the history. It returns nil if
// there is no beginning to be seen.
func (t *Tracer) Execution(item *engine.OrchestrationItem, history []model.Event) *Execution {
	e := &Execution{}
	started, began, rewinds := beginning(item, history)
	if started == nil {
		return nil
	}
	e.parent, e.began = started.Extra().Trace, began.Std()
	e.trace = carriedOn(history, e.parent)
	e.context = Carried(e.trace)
	if e.context.IsValid() {
		e.lost = true
		return e
	}
	t.beginExecution(e, item, derived(item.Execution, rewinds))
	e.context = e.span.SpanContext()
	return e
}

// EndExecution ends the span with the status that the execution has come to.
func (t *Tracer) EndExecution(e *Execution, item *engine.OrchestrationItem, status model.Status, f *model.Failure, at time.Time) {
	if e.lost {
		t.beginExecution(e, item, &wanted{trace: e.context.TraceID(), span: e.context.SpanID()})
		if e.span.SpanContext().SpanID() != e.context.SpanID() {
			e.span.AddLink(trace.Link{SpanContext: e.context})
		}
	}
	e.span.SetAttributes(attrStatus.String(status.String()))
	e.End(at, f)
}

func (t *Tracer) beginExecution(e *Execution, item *engine.OrchestrationItem, ids *wanted) {
	ctx := context.WithValue(carriedIn(e.parent), wantedKey{}, ids)
	_, s := t.begin(ctx, "orchestration:"+item.Name, trace.SpanKindServer, e.began,
		attrType.String("orchestration"), attrName.String(item.Name), attrInstance.String(item.Instance),
		attrExecution.String(item.Execution.String()))
	if item.Version != "" {
		s.span.SetAttributes(attrVersion.String(item.Version))
	}
	e.Span = *s
}

// beginning finds how an execution began, when (after a rewind, when that was),
// and how often it was rewound.
func beginning(item *engine.OrchestrationItem, history []model.Event) (started *model.Event, began model.Time, rewinds int) {
	began = item.Now
	for i := range history {
		switch ev := &history[i]; ev.Kind {
		case model.ExecutionStarted:
			if started == nil {
				started, began = ev, ev.Time
			}
		case model.ExecutionRewound:
			began = ev.Time
			rewinds++
		}
	}
	for i := range item.NewEvents {
		if ev := &item.NewEvents[i]; started == nil && ev.Kind == model.ExecutionStarted {
			started = ev
		}
	}
	return started, began, rewinds
}

// carriedOn returns what the execution's messages have carried since it began,
// or was last rewound; nil if that is nothing but what it was started with.
func carriedOn(history []model.Event, parent *model.Trace) (t *model.Trace) {
	for i := range history {
		switch ev := &history[i]; {
		case ev.Kind == model.ExecutionRewound:
			t = nil
		case t != nil || !ev.Kind.Outgoing():
		case ev.Extra().Trace != nil && (parent == nil || ev.Ext.Trace.Parent != parent.Parent):
			t = ev.Ext.Trace
		}
	}
	return t
}
