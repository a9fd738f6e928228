package worker

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// A rewind takes back the failures that made an orchestration fail. Which those
// are, only the code knows: one that it handled must stay, for the history shows
// what it did about it. So candidates are tried on the code, from the most to the
// least taken back, and the first is taken that the code can go on from: one that
// it replays without diverging and without ending.

// rewindRequested returns whether the item asks for a rewind.
func rewindRequested(item *engine.OrchestrationItem) bool {
	return slices.ContainsFunc(item.NewEvents, func(ev model.Event) bool { return ev.Kind == model.ExecutionRewound })
}

// rewound returns the history to go on from. If the code goes on from none, it is
// the one in which only the end is taken back: code that was mended goes on from
// there, any other fails again.
func rewound(item *engine.OrchestrationItem, history []model.Event, try func([]model.Event) bool) []model.Event {
	history = slices.DeleteFunc(slices.Clone(history), func(ev model.Event) bool { return ev.Kind == model.ExecutionCompleted })
	step := make([]model.Event, 0, len(item.NewEvents)+1)
	step = append(step, model.Event{Kind: model.OrchestratorStarted, ID: model.NoID, Time: item.Now})
	for _, ev := range item.NewEvents {
		ev.Time = item.Now
		step = append(step, ev)
	}
	failures := failuresOf(history)
	for _, from := range candidates(history, failures) {
		taken := failures[from:]
		h := make([]model.Event, 0, len(history)+len(step))
		for i := range history {
			if !slices.Contains(taken, i) {
				h = append(h, history[i])
			}
		}
		h = append(h, step...)
		if from == len(failures) || try(h) {
			return h
		}
	}
	return append(history, step...)
}

// failuresOf lists the positions of failed answers in a history.
func failuresOf(history []model.Event) (at []int) {
	for i := range history {
		if k := history[i].Kind; k == model.TaskFailed || k == model.ChildFailed {
			at = append(at, i)
		}
	}
	return at
}

// candidates lists from which failure on to take back: all, those after which
// the code asked for nothing more, the last, none.
func candidates(history []model.Event, failures []int) []int {
	last := len(history) - 1
	for last >= 0 && !history[last].Kind.Outgoing() {
		last--
	}
	trailing, _ := slices.BinarySearch(failures, last)
	all := []int{0, trailing, max(0, len(failures)-1), len(failures)}
	slices.Sort(all)
	return slices.Compact(all)
}

// inSection reports whether the execution ended inside of a critical section. Its
// locks are gone, and others have seen the entities since, so it cannot go on.
func inSection(history []model.Event) bool {
	if n := len(history); n == 0 || history[n-1].Kind != model.ExecutionCompleted {
		return false
	}
	for i := len(history) - 2; i >= 0 && history[i].Kind != model.OrchestratorStarted; i-- {
		if history[i].Kind == model.EntityUnlockSent {
			return true
		}
	}
	held := map[string]bool{}
	for i := range history {
		switch ev := &history[i]; ev.Kind {
		case model.EntityLockGranted:
			held[ev.RequestID] = true
		case model.EntityUnlockSent:
			delete(held, ev.RequestID)
		}
	}
	return len(held) > 0
}

// rewind answers an item that asks for a rewind.
func (w *Worker) rewind(item *engine.OrchestrationItem, code *Code, history []model.Event) *engine.OrchestrationResult {
	r := &engine.OrchestrationResult{Token: item.Token, Now: item.Now}
	if inSection(history) {
		f := history[len(history)-1].Failure
		r.Events = []model.Event{{Kind: model.ExecutionCompleted, ID: history[len(history)-1].ID + 1, Ext: &model.Ext{Status: model.Failed}, Failure: &model.Failure{
			Type: model.FailureLockViolation, Cause: f, NonRetriable: true,
			Message: "the orchestration failed inside of a critical section and cannot be rewound: its locks are released",
		}}}
		return r
	}
	r.Rewound = rewound(item, history, func(h []model.Event) bool { return w.goesOn(item, code, h) })
	return r
}

// goesOn reports whether the code goes on from a history. It runs in a goroutine
// of its own, because the code may end that.
func (w *Worker) goesOn(item *engine.OrchestrationItem, code *Code, history []model.Event) bool {
	outcome := make(chan bool, 1)
	go func() {
		ok := false
		defer func() { outcome <- ok }()
		x := w.execution(item, code)
		defer x.Unwind()
		x.Replay(history, false)
		ok = !x.Ended()
	}()
	return <-outcome
}

func (w *Worker) execution(item *engine.OrchestrationItem, code *Code) *replay.Execution {
	return replay.New(replay.Config{
		Program: code.Orchestration, Pool: &w.coroutines, Instance: item.Instance, Execution: item.Execution,
		MaxEvents: w.opts.MaxStepEvents, MaxBytes: w.opts.MaxStepBytes,
	})
}
