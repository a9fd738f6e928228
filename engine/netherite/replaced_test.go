package netherite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// A wait is for the run that it found. When another one takes its place, within
// one record or one batch, the wait ends with the outcome of the first.
func TestWaitIsForTheRunItBeganWith(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{})
	conn := w.connect(t, e)
	defer conn.Close()
	ctx := t.Context()
	start := func(n int) engine.Started {
		t.Helper()
		s, err := e.Start(ctx, engine.StartRequest{Instance: "x", Name: "X", IfExists: engine.ReplaceAny})
		if err != nil {
			t.Fatal(err)
		}
		w.await(t, "the step", func() bool { return len(w.steps) == n })
		return s
	}
	type outcome struct {
		i   *model.Instance
		err error
	}
	wait := func(execution model.ExecutionID) chan outcome {
		done := make(chan outcome, 1)
		before := e.Waiting("x")
		go func() {
			i, err := e.Wait(ctx, "x", engine.UntilEnded, engine.GetOptions{Payloads: true, Execution: execution})
			done <- outcome{i, err}
		}()
		for e.Waiting("x") == before && len(done) == 0 {
			if ctx.Err() != nil {
				t.Fatal("nobody waits")
			}
		}
		return done
	}
	first := start(1)
	any1, own1 := wait(model.ExecutionID{}), wait(first.Execution)
	second := start(2)
	for name, done := range map[string]chan outcome{"any": any1, "own": own1} {
		if o := <-done; o.err != nil || o.i.Status != model.Terminated || o.i.Execution != first.Execution {
			t.Errorf("%s wait for the first run: %+v, %v", name, o.i, o.err)
		} else {
			o.i.Status = model.Running // which only this one sees
		}
	}
	if o := <-wait(first.Execution); !errors.Is(o.err, engine.ErrReplaced) {
		t.Errorf("wait for a run that was replaced before: %+v, %v", o.i, o.err)
	}
	if _, err := e.Get(ctx, "x", engine.GetOptions{Execution: first.Execution}); !errors.Is(err, engine.ErrReplaced) {
		t.Errorf("get of a run that was replaced: %v", err)
	}
	own2 := wait(second.Execution)
	next := "2"
	if err := conn.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(1).Token, Events: []model.Event{{
		Kind: model.ExecutionCompleted, Payload: []byte("second"), Ext: &model.Ext{Status: model.ContinuedAsNew, NewVersion: &next},
	}}}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the next generation", func() bool { return len(w.steps) == 3 })
	later := wait(second.Execution) // of the same run, continued as new
	if err := conn.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(2).Token, Events: []model.Event{completed(0, "done")}}); err != nil {
		t.Fatal(err)
	}
	for _, done := range []chan outcome{own2, later} {
		if o := <-done; o.err != nil || string(o.i.Output) != "done" {
			t.Errorf("wait over continue-as-new: %+v, %v", o.i, o.err)
		}
	}
}

// The end of a run and the start of its successor may share a batch.
func TestWaitSeesTheEndOfARunThatIsReplacedInTheSameBatch(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{})
	conn := w.connect(t, e)
	defer conn.Close()
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "x", Name: "X"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	done := make(chan string, 1)
	go func() {
		i, err := e.Wait(ctx, "x", engine.UntilEnded, engine.GetOptions{Payloads: true})
		if err != nil {
			done <- err.Error()
			return
		}
		done <- string(i.Output)
	}()
	for e.Waiting("x") == 0 {
		if ctx.Err() != nil {
			t.Fatal("nobody waits")
		}
	}
	started := make(chan error, 1)
	e.Together("x", func() {
		if err := conn.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{completed(0, "first")}}); err != nil {
			t.Error(err)
		}
		go func() {
			_, err := e.Start(context.WithoutCancel(ctx), engine.StartRequest{Instance: "x", Name: "X"})
			started <- err
		}()
		e.Arrived("x", 1)
	})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if out := <-done; out != "first" {
		t.Errorf("the wait ended with %q", out)
	}
}
