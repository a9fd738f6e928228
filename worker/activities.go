package worker

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// activityRun is one attempt of an activity, waiting or running.
type activityRun struct {
	ctx ActivityContext
	// settled is set by who hands in the outcome: the goroutine that runs the
	// function, or the timer that has lost patience with it.
	settled atomic.Bool
	result  engine.ActivityResult
}

func (w *Worker) newActivityRun(item *engine.ActivityItem) *activityRun {
	run := &activityRun{}
	run.ctx.Item, run.ctx.waiters = item, &w.waiters
	return run
}

func (w *Worker) runActivity(s *slot[*activityRun], run *activityRun, again bool) {
	item := run.ctx.Item
	if again {
		run.ctx.ended()
		w.settle(run, nil, replay.ExitFailure(nil))
		return
	}
	code := w.code.find(engine.ActivityKind, item.Name, item.Version)
	if code == nil {
		w.abandon(engine.ActivityKind, item.Token, item.Instance, errNoCode)
		return
	}
	if err := run.ctx.Err(); err != nil { // cancelled before it began
		w.settle(run, nil, &model.Failure{Type: "Canceled", Message: err.Error()})
		return
	}
	if item.Timeout > 0 {
		run.ctx.deadline = w.opts.Clock.Wall().Add(item.Timeout)
		stop := w.opts.Clock.AfterFunc(item.Timeout, func() { w.timeUp(s, run) })
		defer stop()
	}
	if w.tracer != nil {
		run.ctx.traced = w.traceActivity(item)
	}
	output, failure := invokeActivity(code.Activity, run)
	run.ctx.ended()
	w.settle(run, output, failure)
}

// timeUp ends an attempt whose time is up, whether or not its function returns.
func (w *Worker) timeUp(s *slot[*activityRun], run *activityRun) {
	mark.Hit(mark.ActivityTimedOut)
	item := run.ctx.Item
	settled := w.settle(run, nil, &model.Failure{
		Type:    model.FailureTimeout,
		Message: fmt.Sprintf("activity %s did not end within %v", item.Name, item.Timeout),
	})
	run.ctx.Cancel(context.DeadlineExceeded)
	if settled {
		w.activities.detach(s, run, true)
	}
}

// settle hands in an outcome, unless there is one.
func (w *Worker) settle(run *activityRun, output []byte, failure *model.Failure) bool {
	if run.settled.Swap(true) {
		return false
	}
	if t := run.ctx.traced; t != nil {
		defer func() { t.span.End(w.opts.Clock.Wall(), failure) }()
	}
	if w.cut.Load() {
		return true
	}
	item := run.ctx.Item
	if failure != nil && run.ctx.stopped.Load() {
		mark.Hit(mark.ActivityStopped)
		// That is no outcome of the activity. Nobody wants one, the engine has recovered
		// meanwhile and offered the same item again, the worker closes, or the attempt
		// gives it back.
		w.refused(w.conn.Abandon(engine.ActivityKind, item.Token, run.ctx.delay()), engine.ActivityKind, item.Instance)
		return true
	}
	run.result = engine.ActivityResult{Token: item.Token, Result: output, Failure: failure}
	err := w.conn.CompleteActivity(&run.result)
	w.refused(err, engine.ActivityKind, item.Instance)
	return true
}

func invokeActivity(f Activity, run *activityRun) (output []byte, failure *model.Failure) {
	defer func() {
		if r := recover(); r != nil {
			output, failure = nil, replay.PanicFailure(r, debug.Stack())
		}
	}()
	return f(&run.ctx, run.ctx.Item.Input)
}
