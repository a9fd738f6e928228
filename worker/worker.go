package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker/replay"
	"github.com/netherite-go/netherite/worker/spans"
)

// retryDelay is when an item that could not be run is offered again.
const retryDelay = time.Second

// Worker runs the work items of one engine. It implements engine.Worker.
type Worker struct {
	opts Options
	env  Env
	code registry

	tracer *spans.Tracer // nil: nothing is traced
	conn   engine.Connection
	// drainer is conn, if it can be told that the worker closes; else all that the
	// worker has and does not run is given back when conn is closed.
	drainer engine.Drainer

	steps      *pool[*stepJob]
	activities *pool[*activityRun]
	waiters    waiters
	coroutines replay.Pool
	live       *cache[*replay.Execution]
	states     *cache[any]

	tick     atomic.Uint64 // of the watch on slow steps
	watching atomic.Bool
	begin    sync.Once // of closing
	closing  atomic.Bool
	closed   atomic.Bool
	cut      atomic.Bool // activities have been cancelled: their results do not count
}

var _ engine.Worker = (*Worker)(nil)

// New makes a worker with the given code. Code that is incomplete, or there
// twice, is an error.
func New(o Options) (*Worker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Worker{opts: o, env: Env{Codec: o.Codec, PayloadLimit: o.PayloadLimit, Logger: o.Logger}, tracer: spans.New(o.Tracer)}
	if w.code, err = newRegistry(o.Handlers, &w.env); err != nil {
		return nil, err
	}
	w.steps = newPool(o.Steps, w.runStep)
	w.steps.labelled, w.steps.ran = true, (*stepJob).reuse
	w.activities = newPool(o.Activities, w.runActivity)
	w.waiters.most = int64(o.Activities / 2)
	w.steps.stepped, w.activities.stepped = o.Stepped, o.Stepped
	w.live = newCache(o.CacheCount, liveBytes(o.CacheBytes), (*replay.Execution).Unwind)
	w.states = newCache(o.CacheCount, o.CacheBytes-liveBytes(o.CacheBytes), func(any) {})
	return w, nil
}

// Run connects the worker and returns; items run until Close. It must be called
// once at most.
func (w *Worker) Run(feed engine.Feed) error {
	conn, err := feed.Connect(w)
	if err != nil {
		return fmt.Errorf("connect worker: %w", err)
	}
	w.conn = conn
	w.drainer, _ = conn.(engine.Drainer)
	w.steps.open()
	w.activities.open()
	return nil
}

// BeginClose takes no new items from now on, tells the activities that run, and waits
// for nothing. Whoever is about to refuse what activities ask for calls it before, so
// that none takes the refusal for a failure of its own (see ActivityContext.Closing).
// Close is to follow.
func (w *Worker) BeginClose() {
	w.begin.Do(func() {
		w.closing.Store(true)
		if w.drainer != nil {
			w.drainer.Drain()
		}
		steps, activities := w.steps.stop(), w.activities.stop()
		w.activities.running(func(s *slot[*activityRun]) { s.item.ctx.workerCloses() })
		if w.drainer != nil {
			w.giveBack(steps, activities)
		}
	})
}

// giveBack gives back what has not begun.
func (w *Worker) giveBack(steps []*stepJob, activities []*activityRun) {
	for _, j := range steps {
		if i := j.orchestration; i != nil {
			w.drainer.Decline(engine.OrchestrationKind, i.Token)
		} else {
			w.drainer.Decline(engine.EntityKind, j.entity.Token)
		}
	}
	for _, run := range activities {
		w.drainer.Decline(engine.ActivityKind, run.ctx.Item.Token)
	}
}

// Close takes no new items, lets what runs end, and gives the rest back, also activities
// that only wait (see ActivityContext.OnlyWaits). When
// ctx ends first, activities that run are cancelled, and their results dropped:
// they run again elsewhere or later. Functions that ignore that are not waited
// for. The error is ctx's if there were any.
func (w *Worker) Close(ctx context.Context) error {
	w.BeginClose()
	if w.closed.Swap(true) {
		return nil
	}
	err := first(ctx, w.steps.ended(), w.activities.ended())
	if err != nil {
		w.cut.Store(true)
		w.activities.running(func(s *slot[*activityRun]) { s.item.ctx.Cancel(context.Canceled) })
	}
	if w.conn != nil {
		w.conn.Close()
	}
	w.live.close()
	w.states.close()
	w.coroutines.Close()
	return err
}

// first waits for all of the channels or for the end of ctx.
func first(ctx context.Context, all ...<-chan struct{}) error {
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Limits implements engine.Worker.
func (w *Worker) Limits() engine.Limits { return w.opts.limits() }

// Traces reports whether the worker makes the spans of what it runs.
func (w *Worker) Traces() bool { return w.tracer != nil }

// Handles implements engine.Worker.
func (w *Worker) Handles(kind engine.ItemKind, name, version string) bool {
	return w.code.find(kind, name, version) != nil
}

// Offer implements engine.Worker.
func (w *Worker) Offer(items engine.Items) {
	if n := len(items.Orchestrations) + len(items.Entities); n > 0 {
		w.steps.add(n, func(i int) *stepJob {
			if i < len(items.Orchestrations) {
				return newStepJob(items.Orchestrations[i], nil)
			}
			return newStepJob(nil, items.Entities[i-len(items.Orchestrations)])
		})
	}
	if n := len(items.Activities); n > 0 {
		w.activities.add(n, func(i int) *activityRun { return w.newActivityRun(items.Activities[i]) })
	}
}

// Cancel implements engine.Worker.
func (w *Worker) Cancel(t engine.Token) {
	w.activities.items(func(run *activityRun) {
		if run.ctx.Item.Token == t {
			run.ctx.stop()
		}
	})
}

// Live returns how many orchestrations and entity states are kept alive between
// steps, and their estimated memory in bytes.
func (w *Worker) Live() (orchestrations, entities int, bytes int64) {
	orchestrations, a := w.live.size()
	entities, b := w.states.size()
	return orchestrations, entities, a + b
}

// LimitCache changes the bound on the memory of live copies. What is too much is
// given up before it returns.
func (w *Worker) LimitCache(bytes int64) {
	w.live.limit(liveBytes(bytes))
	w.states.limit(bytes - liveBytes(bytes))
}

// liveBytes is the part of the cache that is for orchestrations: to rebuild one
// means to replay it, to rebuild an entity's state to decode it.
func liveBytes(cache int64) int64 { return cache / 4 * 3 }

// abandon gives an item back that cannot be run now, and says why.
func (w *Worker) abandon(kind engine.ItemKind, t engine.Token, instance string, why error) {
	switch closing := w.closing.Load(); {
	case closing && w.drainer == nil:
		return // the connection gives back everything when it is closed
	case closing:
		w.drainer.Decline(kind, t)
		return
	}
	w.opts.Logger.Warn("work item cannot be run now, it will be offered again", "kind", kind.String(), "instance", instance, "error", why)
	w.refused(w.conn.Abandon(kind, t, retryDelay), kind, instance)
}

// refused logs an error of handing something back, unless it is of the kind that
// the engine takes care of.
func (w *Worker) refused(err error, kind engine.ItemKind, instance string) {
	if err == nil || errors.Is(err, engine.ErrStale) || errors.Is(err, engine.ErrClosed) {
		return
	}
	w.opts.Logger.Warn("work item could not be handed back", "kind", kind.String(), "instance", instance, "error", err)
}
