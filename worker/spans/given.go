package spans

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Spans of work that is given to another program, which may know nothing of them.
// It may be given twice, also by another process after a restart. So the IDs of
// these spans are derived from the work, if the SDK takes them from IDs: what the
// other program was told the first time is still true, and what is exported again
// after a crash is the same span.

// Given begins the span of the execution that a step is of. past is what was before
// the step. It returns nil if there is no beginning to be seen.
//
// Unlike that of Execution, its trace never depends on what the history carries: a
// program that makes spans of its own lets its requests carry those.
func (t *Tracer) Given(item *engine.OrchestrationItem, past []model.Event) *Execution {
	e := &Execution{}
	started, began, rewinds := beginning(item, past)
	if started == nil {
		return nil
	}
	for i := range item.NewEvents {
		if item.NewEvents[i].Kind == model.ExecutionRewound {
			rewinds++
		}
	}
	e.parent, e.began = started.Extra().Trace, began.Std()
	ids := derived(item.Execution, rewinds)
	t.beginExecution(e, item, ids)
	e.context = ids.within(e.span.SpanContext(), Carried(e.parent))
	if !e.context.Equal(e.span.SpanContext()) {
		e.span.AddLink(trace.Link{SpanContext: e.context})
	}
	e.trace = told(e.context)
	return e
}

// GivenActivity begins the span of one attempt of an activity. Its IDs are those of
// the token, which stays the same for as long as the attempt has no result.
func (t *Tracer) GivenActivity(item *engine.ActivityItem, at time.Time) *Span {
	b := append([]byte("activity"), item.Execution[:]...)
	b = binary.LittleEndian.AppendUint32(b, item.Token.Partition)
	b = binary.LittleEndian.AppendUint32(b, uint32(item.Token.Task))
	b = binary.LittleEndian.AppendUint64(b, item.Token.Instance)
	b = binary.LittleEndian.AppendUint64(b, item.Token.Name.Epoch)
	b = binary.LittleEndian.AppendUint64(b, item.Token.Name.Number)
	_, s := t.activity(wanting(carriedIn(item.Trace), b), item, at)
	s.trace = told(s.span.SpanContext())
	return s
}

// GivenOperation begins the span of one operation of an entity of the named type.
// Its IDs are those of the request, if it has one: signals of clients may have none.
func (t *Tracer) GivenOperation(entity string, item *engine.EntityItem, op *model.Event, at time.Time) *Span {
	ctx := carriedIn(op.Extra().Trace)
	if op.RequestID != "" {
		ctx = wanting(ctx, []byte("operation\x00"+item.Instance+"\x00"+op.RequestID))
	}
	s := t.operation(ctx, entity, item, op, at)
	s.trace = told(s.span.SpanContext())
	return s
}

// told is Carry for programs that read the span's ID apart from the header, too.
func told(sc trace.SpanContext) *model.Trace {
	t := Carry(sc)
	if t != nil {
		t.SpanID = sc.SpanID().String()
	}
	return t
}

// wanting returns a context in which the next span gets IDs derived from b.
func wanting(ctx context.Context, b []byte) context.Context {
	sum := sha256.Sum256(append([]byte("netherite span of "), b...))
	return context.WithValue(ctx, wantedKey{}, wantedOf(sum))
}

// Parent is the trace context that the execution was started with; nil if none.
func (e *Execution) Parent() *model.Trace { return e.parent }

// within returns the context of the wanted span, which was begun as sc under parent.
func (w *wanted) within(sc, parent trace.SpanContext) trace.SpanContext {
	id := w.trace
	if parent.IsValid() {
		id = parent.TraceID()
	}
	return sc.WithTraceID(id).WithSpanID(w.span)
}
