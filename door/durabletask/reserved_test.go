package durabletask_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

const httpActivity = "BuiltIn::HttpActivity"

// lister lists the HTTP activity in its filters.
func lister() *wire.GetWorkItemsRequest {
	return &wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{Activities: []*wire.ActivityFilter{{Name: httpActivity}}}}
}

// failure is what a step's only completion says went wrong.
func failure(t *testing.T, step *wire.WorkItem) *wire.TaskFailureDetails {
	t.Helper()
	for _, e := range step.GetOrchestratorRequest().GetNewEvents() {
		if f := e.GetTaskFailed(); f != nil {
			return f.GetFailureDetails()
		}
	}
	t.Fatalf("nothing has failed in %v", step)
	return nil
}

// What the hub's own process has code for is run there, each time, although a worker
// without filters is offered everything else.
func TestWhatTheHostDoesItselfIsNotAskedOfWorkersWithoutFilters(t *testing.T) {
	own := durable.Activity(httpActivity, func(context.Context, json.RawMessage) (string, error) { return "own", nil })
	r := open(t, netherite.Serve(own))
	w := r.work(everything())
	const calls = 20
	r.start("x", "Tour")
	var all []*wire.OrchestratorAction
	for n := range int32(calls) {
		all = append(all, schedule(n, httpActivity, `{}`))
	}
	w.answer(w.step("x"), all...)
	for done := 0; done < calls; {
		step := w.step("x")
		for _, e := range step.GetOrchestratorRequest().GetNewEvents() {
			if c := e.GetTaskCompleted(); c != nil && c.GetResult().GetValue() == `"own"` {
				done++
			}
		}
		if done == calls {
			w.answer(step, end(calls, ""))
			break
		}
		w.answer(step)
	}
	r.ended("x", completed)
}

func TestAnHTTPCallThatNobodyMakesFailsWithWhatToDo(t *testing.T) {
	r := openDoor(t, durabletask.Options{Clock: sysclock.New(), NoCalls: "set calls.hosts"})
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, httpActivity, `{}`))
	step := w.step("x")
	if f := failure(t, step); f.GetErrorMessage() != "set calls.hosts" || !f.GetIsNonRetriable() {
		t.Errorf("it has failed with %v", f)
	}

	// A worker that lists the activity has it: it is asked, and nobody else, until it is gone.
	other := r.work(lister())
	w.answer(step, schedule(1, httpActivity, `{}`), schedule(2, httpActivity, `{}`))
	other.did(other.task(httpActivity), "1")
	lost := other.task(httpActivity)
	step = w.step("x")
	other.end()
	if lost == nil {
		t.Fatal("it was not asked for the second call")
	}
	w.answer(step)
	step = w.step("x")
	if f := failure(t, step); f.GetErrorMessage() != "set calls.hosts" {
		t.Errorf("it has failed with %v", f)
	}
	w.answer(step, end(3, ""))
	r.ended("x", completed)
	w.nothing()
}

func TestAnHTTPCallWaitsForWhoMakesIt(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, httpActivity, `{}`))
	for deadline := time.Now().Add(patience); ; {
		if tasks := r.waits("x").Tasks; len(tasks) == 1 && tasks[0].NoHandler {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it waits for %+v", tasks)
		}
	}
	other := r.work(lister())
	other.did(other.task(httpActivity), "1")
	w.answer(w.step("x"), end(1, ""))
	r.ended("x", completed)
}
