package worker

import (
	"context"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
	"github.com/netherite-go/netherite/worker/spans"
)

// tracedActivity is the span of an attempt that runs, and the context that is in it.
type tracedActivity struct {
	ctx  context.Context
	span *spans.Span
}

func (w *Worker) traceActivity(item *engine.ActivityItem) *tracedActivity {
	ctx, span := w.tracer.Activity(item, w.opts.Clock.Wall())
	return &tracedActivity{ctx, span}
}

// tracedEnd is how an execution ended that has a span. It has no ext if it has no
// span, or did not end.
type tracedEnd struct {
	ext     *model.Ext
	failure *model.Failure
}

func (w *Worker) traceEnd(x *replay.Execution, r *engine.OrchestrationResult, keep bool) tracedEnd {
	n := len(r.Events)
	if x.Span == nil || keep || n == 0 || r.Events[n-1].Kind != model.ExecutionCompleted {
		return tracedEnd{}
	}
	return tracedEnd{r.Events[n-1].Ext, r.Events[n-1].Failure}
}

// tracedBatch has the spans of a batch of operations. They end when the engine has
// taken the batch: an operation may run more than once before.
type tracedBatch struct {
	tracer *spans.Tracer
	clock  Clock
	entity string // type

	running *spans.Span
	done    []tracedOperation // one for each result
}

type tracedOperation struct {
	span    *spans.Span
	ended   time.Time
	failure *model.Failure
}

// begin begins the span of the next operation.
func (t *tracedBatch) begin(item *engine.EntityItem, op *model.Event) {
	t.running = t.tracer.Operation(t.entity, item, op, t.clock.Wall())
}

// conclude notes how the operation that ran has ended.
func (t *tracedBatch) conclude(f *model.Failure) {
	t.done = append(t.done, tracedOperation{t.running, t.clock.Wall(), f})
}

// end ends the spans of all operations that have a result.
func (t *tracedBatch) end() {
	for _, op := range t.done {
		op.span.End(op.ended, op.failure)
	}
}

// Trace returns what the messages that the operation sends carry on.
func (c *EntityCall) Trace() *model.Trace {
	if t := c.batch.traced; t != nil {
		return t.running.Trace()
	}
	return c.Event.Extra().Trace
}
