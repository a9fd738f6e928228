package netherite_test

import (
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// A worker that leaves is handed nothing more, and ends what it has, as long as that takes.
func TestAWorkerThatLeavesEndsWhatItHasAndOthersGetTheRest(t *testing.T) {
	e := openHub(t, newMemory(2))
	w := newHoarder("", engine.Limits{Orchestrations: 1})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 3)
	w.await(t, "a step", func() bool { return len(w.steps) == 1 })
	c.(engine.Leaver).Leave()
	c.(engine.Leaver).Leave() // once is enough
	first := w.step(0).Instance
	if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
		t.Fatal(err)
	}
	start(t, e, "Y", 2)
	other := newHoarder("", engine.Limits{})
	d := other.connect(t, e)
	defer d.Close()
	other.await(t, "the rest", func() bool { return len(other.steps) == 4 && len(other.tasks) == 1 })
	if i := other.task(0).Instance; i != first {
		t.Errorf("the activity of %q was handed out, not of %q", i, first)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.steps) != 1 || len(w.tasks) != 0 {
		t.Errorf("the worker that leaves was handed %d steps and %d activities", len(w.steps), len(w.tasks))
	}
}

// What it has is under way, and not without code.
func TestWhatAWorkerThatLeavesStillRunsIsShownAndWaitedFor(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	ctx := t.Context()
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
		t.Fatal(err)
	}
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@counter@a", Operation: "add"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the activity and the operation", func() bool { return len(w.tasks) == 1 && len(w.entities) == 1 })
	read := make(chan *model.Instance, 1)
	go func() {
		i, err := e.Get(ctx, "@counter@a", engine.GetOptions{Payloads: true, Fresh: true})
		if err != nil {
			t.Error(err)
		}
		read <- i
	}()
	for e.Waiting("@counter@a") == 0 {
		if ctx.Err() != nil {
			t.Fatal("the read does not wait")
		}
	}
	c.(engine.Leaver).Leave()
	i, err := e.Get(ctx, "X-0", engine.GetOptions{Waits: true})
	if err != nil || len(i.Waits.Tasks) != 1 || !i.Waits.Tasks[0].Running || i.Waits.Tasks[0].NoHandler {
		t.Errorf("the orchestration waits for %+v, %v", i.Waits, err)
	}
	i, err = e.Get(ctx, "@counter@a", engine.GetOptions{Waits: true})
	if err != nil || i.Waits == nil || !i.Waits.InFlight || i.Waits.NoHandler != "" {
		t.Errorf("the entity waits for %+v, %v", i.Waits, err)
	}
	select {
	case i := <-read:
		t.Fatalf("the read did not wait for the operation: %+v", i)
	default:
	}
	w.mu.Lock()
	batch := w.entities[0]
	w.mu.Unlock()
	if err := c.CompleteEntity(&engine.EntityResult{Token: batch.Token, Now: batch.Now, State: []byte("1"), Results: []engine.OperationResult{{}}}); err != nil {
		t.Fatal(err)
	}
	if i := <-read; i.Entity.Backlog != 0 {
		t.Errorf("the read ended with %d operations to come", i.Entity.Backlog)
	}
	c.Close()
	other := newHoarder("", engine.Limits{})
	defer other.connect(t, e).Close()
	other.await(t, "the activity that was not completed", func() bool { return len(other.tasks) == 1 })
}

// Whether it leaves or has gone: nothing that it might have been handed keeps the hub busy.
func TestAHubRestsWhoseLastWorkerTakesNothingMore(t *testing.T) {
	for name, release := range map[string]netherite.Release{"held back": netherite.ReleaseNode, "built": netherite.ReleaseConservative} {
		for how, end := range map[string]func(engine.Connection){
			"leaves": func(c engine.Connection) { c.(engine.Leaver).Leave() },
			"closes": engine.Connection.Close,
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				e := openHub(t, newMemory(1), func(o *netherite.Options) {
					o.Release = release
					o.KeeperTick(time.Millisecond)
					o.Checkpoint.Idle = time.Millisecond
				})
				w := newHoarder("", engine.Limits{Live: 1, Orchestrations: 1})
				c := w.connect(t, e)
				defer c.Close()
				start(t, e, "X", 50)
				w.await(t, "a step", func() bool { return len(w.steps) == 1 })
				end(c)
				until(t, "the hub rests", e.KeeperRests)
			})
		}
	}
}
