package spans

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// terminatedBuffer is how many orchestrations may wait for their spans. More that are
// terminated at once have none.
const terminatedBuffer = 10_000

// Terminated makes the spans of executions that the engine ends itself, without their
// worker: those that are terminated, and those that fail because their history has
// become too large. It hears of them as they end, and reads how they
// began from their histories. So there is no span of an execution whose history is
// gone by then, because it was purged or replaced at once; nor if the process ends
// before it is made.
type Terminated struct {
	client engine.Client
	tracer *Tracer
	given  bool
	logger *slog.Logger
	watch  engine.Watch
	lost   bool // that spans are lost has been logged, and they still are
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// FollowTerminated begins to make these spans. given says that the work is given to
// other programs, see Tracer.Given. An engine that does not tell what changes is
// ErrInvalid.
func (t *Tracer) FollowTerminated(client engine.Client, given bool, logger *slog.Logger) (*Terminated, error) {
	watcher, ok := client.(engine.Watcher)
	if !ok {
		return nil, errors.Join(engine.ErrInvalid, errors.New("spans of terminated orchestrations: the engine does not tell what changes"))
	}
	watch, err := watcher.Watch(engine.WatchOptions{Statuses: []model.Status{model.Terminated, model.Failed}, Buffer: terminatedBuffer})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Terminated{client: client, tracer: t, given: given, logger: logger, watch: watch, cancel: cancel}
	f.done.Go(func() { f.follow(ctx) })
	return f, nil
}

// Close makes the spans of what has been terminated so far, while ctx lasts, and
// ends. The engine has to be open still.
func (f *Terminated) Close(ctx context.Context) {
	f.Abandon()
	ended, end := context.WithCancel(ctx)
	end() // what there is is returned nevertheless
	if changes, lost, err := f.watch.Next(ended); err == nil {
		f.make(ctx, changes, lost)
	}
}

// Abandon ends it as a crash would.
func (f *Terminated) Abandon() {
	f.watch.Close()
	f.cancel()
	f.done.Wait()
}

func (f *Terminated) follow(ctx context.Context) {
	for {
		changes, lost, err := f.watch.Next(ctx)
		if err != nil {
			return
		}
		f.make(context.WithoutCancel(ctx), changes, lost)
	}
}

func (f *Terminated) make(ctx context.Context, changes []engine.Change, lost bool) {
	if lost && !f.lost {
		f.logger.Warn("spans of terminated orchestrations may be missing: more ended at once than are kept, or the hub recovered")
	}
	f.lost = lost
	for i := range changes {
		if c := &changes[i]; !c.Gone && ctx.Err() == nil && f.ended(ctx, c) {
			f.span(ctx, c)
		}
	}
}

// ended reports whether it may be the engine that has ended an execution.
func (f *Terminated) ended(ctx context.Context, c *engine.Change) bool {
	if c.Status == model.Terminated {
		return true
	}
	i, err := f.client.Get(ctx, c.Instance, engine.GetOptions{})
	return err == nil && i.Failure != nil && i.Failure.Type == model.FailureHistoryTooLarge
}

// passedOn reports whether an execution failed with what something else had failed
// with before: then its worker has ended it.
func passedOn(history []model.Event, of *model.Failure) bool {
	before := history[:len(history)-1]
	return of != nil && slices.ContainsFunc(before, func(e model.Event) bool { return e.Failure != nil && e.Failure.Type == of.Type })
}

// span makes one span, if there is a history of that execution.
func (f *Terminated) span(ctx context.Context, c *engine.Change) {
	history, err := f.client.History(ctx, c.Instance)
	if err != nil || len(history) == 0 {
		return
	}
	last := &history[len(history)-1]
	item := &engine.OrchestrationItem{Instance: c.Instance, Name: c.Name, Version: c.Version, Execution: c.Execution, Now: last.Time}
	began := startOf(history)
	if began == nil || began.Extra().Execution != c.Execution || last.Kind != model.ExecutionCompleted || passedOn(history, last.Failure) {
		return
	}
	var e *Execution
	if f.given {
		e = f.tracer.Given(item, history)
	} else {
		e = f.tracer.Execution(item, history)
	}
	f.tracer.EndExecution(e, item, last.Extra().Status, last.Failure, last.Time.Std())
}

func startOf(history []model.Event) *model.Event {
	for i := range history {
		if history[i].Kind == model.ExecutionStarted {
			return &history[i]
		}
	}
	return nil
}
