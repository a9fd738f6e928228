package durabletask_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// These tests are about workers that do not answer what asks for a rewind with a
// history: they fail once more, as Java's do, or do nothing.

func bad() *wire.TaskFailureDetails {
	return &wire.TaskFailureDetails{ErrorType: "E", ErrorMessage: "bad"}
}

// fail lets the next activity fail.
func (w *worker) fail(name string) {
	w.r.t.Helper()
	q := w.r.result(w.task(name), "")
	q.FailureDetails = bad()
	w.r.must(w.r.CompleteActivityTask(w.r.ctx, q))
}

// rewind asks for a rewind, and answers what asks the worker for it with actions.
func (w *worker) rewind(id string, actions ...*wire.OrchestratorAction) {
	w.r.t.Helper()
	w.r.ended(id, failed)
	w.r.must(w.r.RewindInstance(w.r.ctx, &wire.RewindInstanceRequest{InstanceId: id, Reason: text("mended")}))
	step := w.step(id)
	if !slices.Contains(kinds(step.GetOrchestratorRequest().GetNewEvents()), "ExecutionRewound") {
		w.r.t.Fatalf("told %v", step)
	}
	w.answer(step, actions...)
}

// trial returns the next item, which tells a past and then once more what came.
func (w *worker) trial(id string, past, again []string) *wire.WorkItem {
	w.r.t.Helper()
	step := w.step(id)
	q := step.GetOrchestratorRequest()
	if got := kinds(q.GetPastEvents()); !slices.Equal(got, past) {
		w.r.t.Fatalf("the history is %v, want %v", got, past)
	}
	if got := kinds(q.GetNewEvents()); !slices.Equal(got, again) {
		w.r.t.Fatalf("told again %v, want %v", got, again)
	}
	return step
}

// failedTwice runs an orchestration of two activities, of which the second fails.
func failedTwice(w *worker, id string) {
	w.r.t.Helper()
	w.r.start(id, "Tour")
	w.answer(w.step(id), schedule(0, "Good", ""))
	w.did(w.task("Good"), "fine")
	w.answer(w.step(id), schedule(1, "Bad", ""))
	w.fail("Bad")
	w.answer(w.step(id), failing(2, bad()))
}

// What a failed orchestration is told when it is rewound: the step before the failure,
// and that failure's, which is empty now; the last one is that of the rewind.
var (
	failedPast  = []string{"OrchestratorStarted", "ExecutionStarted", "TaskScheduled", "OrchestratorStarted", "TaskCompleted", "TaskScheduled"}
	failedAgain = []string{"OrchestratorStarted", "OrchestratorStarted"}
	rewoundPast = slices.Concat(failedPast, failedAgain)
)

func TestAnOrchestrationIsRewoundForAWorkerThatCannot(t *testing.T) {
	for what, answer := range map[string][]*wire.OrchestratorAction{"fails": {failing(2, bad())}, "does nothing": nil, "goes on": {schedule(2, "Never", "")}} {
		t.Run(what, func(t *testing.T) {
			r := open(t)
			w := r.work(everything())
			failedTwice(w, "x")
			w.rewind("x", answer...)
			w.answer(w.trial("x", failedPast, failedAgain), schedule(2, "Never", "")) // what a trial asks for is not done
			// The step after it is of the same history.
			step := w.next()
			again := w.next()
			if step.GetOrchestratorRequest() == nil {
				step, again = again, step
			}
			if got := kinds(step.GetOrchestratorRequest().GetPastEvents()); !slices.Equal(got, rewoundPast) {
				t.Errorf("the history is %v, want %v", got, rewoundPast)
			}
			w.answer(step)
			if a := again.GetActivityRequest(); a.GetName() != "Bad" || a.GetTaskId() != 1 {
				t.Fatalf("%v", again)
			}
			w.did(again, "fine as well")
			step = w.step("x")
			if c := step.GetOrchestratorRequest().GetNewEvents()[1].GetTaskCompleted(); c.GetTaskScheduledId() != 1 || c.GetResult().GetValue() != "fine as well" {
				t.Errorf("told %v", step)
			}
			if slices.Contains(kinds(step.GetOrchestratorRequest().GetPastEvents()), "ExecutionRewound") {
				t.Errorf("the worker is told of a rewind that it does not know: %v", step)
			}
			w.answer(step, end(2, "done"))
			r.ended("x", completed)
			history, _, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x"})
			if err != nil || !slices.Contains(kinds(history), "ExecutionRewound") {
				t.Errorf("clients see %v, %v", kinds(history), err)
			}
		})
	}
}

// An attempt that was made anew is told in the history: only the last one can be
// taken back. The worker says so, by failing.
func TestOfSeveralHistoriesThatIsTakenFromWhichTheCodeGoesOn(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Bad", ""))
	w.fail("Bad")
	w.answer(w.step("x"), timerAt(1, timestamppb.New(r.clock.Wall().Add(time.Second))))
	r.pass(time.Second, "x")
	w.answer(w.step("x"), schedule(2, "Bad", ""))
	w.fail("Bad")
	w.answer(w.step("x"), failing(3, bad()))
	w.rewind("x", failing(3, bad()))
	begun, step := []string{"OrchestratorStarted", "ExecutionStarted", "TaskScheduled"}, "OrchestratorStarted"
	// Without any failure: this code asks for nothing then, and waits for its first attempt.
	w.answer(w.trial("x", begun, []string{step, step, "TimerFired", step, step}))
	goes := slices.Concat(begun, []string{step, "TaskFailed", "TimerCreated", step, "TimerFired", "TaskScheduled"})
	w.answer(w.trial("x", goes, []string{step, step}))
	var again *wire.WorkItem
	for range 2 {
		if i := w.next(); i.GetOrchestratorRequest() != nil {
			w.answer(i)
		} else {
			again = i
		}
	}
	if again.GetActivityRequest().GetTaskId() != 2 {
		t.Fatalf("%v", again)
	}
	w.did(again, "")
	w.answer(w.step("x"), end(3, ""))
	r.ended("x", completed)
}

func TestCodeThatGoesOnFromNoHistoryFailsAgain(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	failedTwice(w, "x")
	for range 2 { // and can be rewound again
		w.rewind("x", failing(2, bad()))
		w.answer(w.trial("x", failedPast, append(w.emptied("x"), "OrchestratorStarted")), failing(2, bad()))
		step := w.step("x") // with the failure: this one counts
		if !slices.Contains(kinds(step.GetOrchestratorRequest().GetPastEvents()), "TaskFailed") {
			t.Errorf("the history is %v", step)
		}
		w.answer(step, failing(2, bad()))
	}
	if f := r.ended("x", failed).GetFailureDetails(); f.GetErrorMessage() != "bad" {
		t.Errorf("failure %v", f)
	}
}

// emptied are the steps of an orchestration that failed, from its failure on, without
// that and rewinds.
func (w *worker) emptied(id string) (steps []string) {
	w.r.t.Helper()
	history, _, err := w.r.history(&wire.StreamInstanceHistoryRequest{InstanceId: id})
	if err != nil {
		w.r.t.Fatal(err)
	}
	for _, k := range kinds(history)[len(failedPast):] {
		if k != "TaskFailed" && k != "ExecutionCompleted" && k != "ExecutionRewound" {
			steps = append(steps, k)
		}
	}
	return steps
}

func TestARewindWhoseWorkerIsLostBeginsAgain(t *testing.T) {
	r := open(t)
	first := r.work(everything())
	failedTwice(first, "x")
	first.rewind("x", failing(2, bad()))
	lost := first.trial("x", failedPast, failedAgain)
	second := r.work(everything())
	first.end()
	step := second.step("x")
	if !slices.Contains(kinds(step.GetOrchestratorRequest().GetNewEvents()), "ExecutionRewound") {
		t.Fatalf("told %v", step)
	}
	if _, err := r.CompleteOrchestratorTask(r.ctx, r.response(lost)); err == nil {
		t.Error("the answer of a lost worker was taken")
	}
	second.answer(step, failing(2, bad()))
	second.answer(second.trial("x", failedPast, failedAgain))
	for range 2 {
		if i := second.next(); i.GetOrchestratorRequest() != nil {
			second.answer(i)
		} else {
			second.did(i, "")
		}
	}
	second.answer(second.step("x"), end(2, ""))
	r.ended("x", completed)
}

// Java's worker fails whatever history has a rewind in it, so it is never told of one.
func TestJavaWorkersAreNeverToldOfARewind(t *testing.T) {
	r := open(t)
	w := r.dial(grpc.WithUserAgent("grpc-java-netty/1.59.0")).work(everything())
	r.start("top", "Tour")
	w.answer(w.step("top"), child(0, "below", "Tour"))
	w.answer(w.step("below"), schedule(0, "Bad", ""))
	w.fail("Bad")
	w.answer(w.step("below"), failing(1, bad()))
	w.answer(w.step("top"), failing(1, bad()))
	r.ended("top", failed)
	r.must(r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "top"}))
	ran := false
	for open := 2; open > 0; {
		i := w.next()
		if a := i.GetActivityRequest(); a != nil {
			w.did(i, "")
			ran = true
			continue
		}
		q := i.GetOrchestratorRequest()
		for _, e := range append(q.GetPastEvents(), q.GetNewEvents()...) {
			if e.GetExecutionRewound() != nil {
				t.Fatalf("told of a rewind: %v", q)
			}
			if e.GetTaskCompleted() != nil && q.GetInstanceId() == "below" || e.GetSubOrchestrationInstanceCompleted() != nil {
				w.answer(i, end(1, ""))
				open--
				q = nil
				break
			}
		}
		if q != nil {
			w.answer(i)
		}
	}
	r.ended("below", completed)
	r.ended("top", completed)
	if !ran {
		t.Error("the activity has not run again")
	}
}

func TestACriticalSectionIsNotRewoundForAWorker(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), lock(0, guid(1), "@e@1"))
	w.answer(w.step("x"), failing(1, bad()))
	w.rewind("x", failing(1, bad()))
	if f := r.ended("x", failed).GetFailureDetails(); !strings.Contains(f.GetErrorMessage(), "critical section") || f.GetInnerFailure().GetErrorMessage() != "bad" {
		t.Errorf("failure %v", f)
	}
}

// What the code has asked for since the failure does not keep it, if the code asks
// for it in any case.
func TestAFailureBesideWorkThatWentOnIsTakenBack(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Bad", ""), schedule(1, "Good", ""))
	bads, good := w.next(), w.next()
	if bads.GetActivityRequest().GetName() != "Bad" {
		bads, good = good, bads
	}
	q := r.result(bads, "")
	q.FailureDetails = bad()
	r.must(r.CompleteActivityTask(r.ctx, q))
	w.answer(w.step("x"))
	w.did(good, "")
	w.answer(w.step("x"), schedule(2, "Better", ""))
	w.did(w.task("Better"), "")
	w.answer(w.step("x"), failing(3, bad()))
	w.rewind("x", failing(3, bad()))
	step := "OrchestratorStarted"
	w.answer(w.trial("x", []string{step, "ExecutionStarted", "TaskScheduled", "TaskScheduled"},
		[]string{step, step, "TaskCompleted", step, "TaskCompleted", step}), schedule(2, "Better", ""))
	for open := 2; open > 0; open-- {
		if i := w.next(); i.GetOrchestratorRequest() != nil {
			w.answer(i)
		} else if i.GetActivityRequest().GetTaskId() != 0 {
			t.Errorf("runs again: %v", i)
		} else {
			w.did(i, "")
		}
	}
	w.answer(w.step("x"), end(3, ""))
	r.ended("x", completed)
}
