package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// stepJob is a step of an orchestration or a batch of an entity: the other
// item is nil.
type stepJob struct {
	orchestration *engine.OrchestrationItem
	entity        *engine.EntityItem

	begun     atomic.Uint64 // tick at which it began to compute, 0 before
	execution atomic.Pointer[replay.Execution]
	live      *cached[*replay.Execution] // that execution was found in the cache
	state     *cached[any]               // the entity's state was
	batch     *entityBatch
	result    engine.OrchestrationResult
	reported  bool // by the watch
}

// Jobs are used again: they are the largest of what a step would allocate.
var stepJobs = sync.Pool{New: func() any { return new(stepJob) }}

func newStepJob(o *engine.OrchestrationItem, e *engine.EntityItem) *stepJob {
	j := stepJobs.Get().(*stepJob)
	j.orchestration, j.entity = o, e
	return j
}

// reuse gives back a job that was run, unless the watch may still be looking at it.
func (j *stepJob) reuse() {
	if j.reported {
		return
	}
	*j = stepJob{}
	stepJobs.Put(j)
}

var errNoCode = errors.New("no code is served for it here")

func (w *Worker) runStep(_ *slot[*stepJob], j *stepJob, again bool) {
	w.watch(j)
	switch {
	case j.entity != nil && again:
		w.resumeBatch(j)
	case j.entity != nil:
		w.runBatch(j)
	case again:
		w.resumeStep(j)
	default:
		w.runOrchestration(j)
	}
}

// runOrchestration makes one step.
func (w *Worker) runOrchestration(j *stepJob) {
	item := j.orchestration
	var x *replay.Execution
	if j.live = w.live.take(item.Instance, item.Execution, item.Last); j.live != nil {
		x = j.live.value
	} else {
		code := w.code.find(engine.OrchestrationKind, item.Name, item.Version)
		if code == nil {
			w.abandon(engine.OrchestrationKind, item.Token, item.Instance, errNoCode)
			return
		}
		mark.Hit(mark.ReplayedFromHistory)
		history, err := w.history(item)
		if err != nil {
			w.abandon(engine.OrchestrationKind, item.Token, item.Instance, err)
			return
		}
		if rewind.Requested(item) {
			mark.Hit(mark.WorkerRewinds)
			w.refused(w.conn.CompleteOrchestration(w.rewind(item, code, history)), engine.OrchestrationKind, item.Instance)
			return
		}
		x = w.execution(item, code)
		if w.tracer != nil {
			x.Span = w.tracer.Execution(item, history)
		}
		j.execution.Store(x)
		x.Replay(history, item.More || len(item.NewEvents) == 0) // earlier servers do not say More
	}
	j.execution.Store(x)
	x.Step(item.Now, item.NewEvents)
	w.concludeStep(j, x)
}

func (w *Worker) history(item *engine.OrchestrationItem) ([]model.Event, error) {
	if item.PastEvents == 0 {
		return nil, nil
	}
	history, err := w.conn.History(context.Background(), item)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if int64(len(history)) != item.PastEvents {
		return nil, fmt.Errorf("history has %d events, expected %d", len(history), item.PastEvents)
	}
	return history, nil
}

// resumeStep goes on after the code has ended the goroutine.
func (w *Worker) resumeStep(j *stepJob) {
	item := j.orchestration
	x := j.execution.Load()
	if x == nil || !x.Exited() {
		if j.live != nil {
			w.live.end(j.live)
		}
		w.abandon(engine.OrchestrationKind, item.Token, item.Instance, errors.New("the goroutine ended"))
		return
	}
	w.concludeStep(j, x)
}

// concludeStep hands in what the step came to. From then on the next step may
// begin, in another goroutine, so the live copy is put away before.
func (w *Worker) concludeStep(j *stepJob, x *replay.Execution) {
	item := j.orchestration
	r := &j.result
	r.Token, r.Now = item.Token, item.Now
	x.Result(r)
	keep := !x.Ended() || r.More
	if keep {
		e := j.live
		if e == nil {
			e = &cached[*replay.Execution]{instance: item.Instance, execution: item.Execution, value: x}
		}
		e.last, e.cost = item.Token.Name, x.Cost()
		w.live.put(e)
	} else if j.live != nil {
		w.live.end(j.live)
	}
	end := w.traceEnd(x, r, keep) // before the engine has the events
	if err := w.conn.CompleteOrchestration(r); err != nil {
		if keep {
			mark.Hit(mark.LiveCopyForgotten)
			w.live.forget(item.Instance, item.Token.Name)
		}
		w.refused(err, engine.OrchestrationKind, item.Instance)
		return
	}
	if end.ext != nil {
		w.tracer.EndExecution(x.Span, item, end.ext.Status, end.failure, w.opts.Clock.Wall())
	}
}

// runBatch applies a batch of operations to an entity.
func (w *Worker) runBatch(j *stepJob) {
	item := j.entity
	name, _, _ := strings.Cut(strings.TrimPrefix(item.Instance, "@"), "@")
	code := w.code.find(engine.EntityKind, name, "")
	if code == nil {
		w.abandon(engine.EntityKind, item.Token, item.Instance, errNoCode)
		return
	}
	j.batch = newEntityBatch(item, code.Entity, &w.env, &w.opts)
	if w.tracer != nil {
		j.batch.traced = &tracedBatch{tracer: w.tracer, clock: w.opts.Clock, entity: name}
	}
	if j.state = w.states.take(item.Instance, item.Execution, item.Last); j.state != nil {
		j.batch.load(j.state.value)
	} else {
		j.batch.load(nil)
	}
	w.finishBatch(j)
}

// resumeBatch goes on after an operation, or the code of the state, has ended the
// goroutine.
func (w *Worker) resumeBatch(j *stepJob) {
	if j.batch == nil || j.batch.code.apart && !j.batch.running {
		if j.state != nil {
			w.states.end(j.state)
		}
		w.abandon(engine.EntityKind, j.entity.Token, j.entity.Instance, errors.New("the goroutine ended"))
		return
	}
	j.batch.exited()
	w.finishBatch(j)
}

func (w *Worker) finishBatch(j *stepJob) {
	b, item := j.batch, j.entity
	b.run()
	r := b.result()
	for r == nil {
		b.run()
		r = b.result()
	}
	if b.state != nil && b.bad == nil {
		e := j.state
		if e == nil {
			e = &cached[any]{instance: item.Instance, execution: item.Execution}
		}
		e.last, e.cost, e.value = item.Token.Name, 500+3*int64(len(r.State)), b.state
		w.states.put(e)
	} else if j.state != nil {
		w.states.end(j.state)
	}
	if err := w.conn.CompleteEntity(r); err != nil {
		mark.Hit(mark.StateForgotten)
		w.states.forget(item.Instance, item.Token.Name)
		w.refused(err, engine.EntityKind, item.Instance)
		_ = w.conn.Abandon(engine.EntityKind, item.Token, refusedDelay) // unless it is stale, it is still here
		return
	}
	if b.traced != nil {
		b.traced.end()
	}
}

// refusedDelay is how long a batch waits whose result was refused.
const refusedDelay = time.Second
