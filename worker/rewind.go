package worker

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// rewind answers an item that asks for a rewind.
func (w *Worker) rewind(item *engine.OrchestrationItem, code *Code, history []model.Event) *engine.OrchestrationResult {
	if r := rewind.Refused(item, history); r != nil {
		return r
	}
	for c := rewind.Of(item, history); ; {
		if next := c.Next(); next.Last || w.goesOn(item, code, next.History) {
			return &engine.OrchestrationResult{Token: item.Token, Now: item.Now, Rewound: next.History}
		}
	}
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
