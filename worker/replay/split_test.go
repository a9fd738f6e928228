package replay

import (
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// splitSteps lists what the parts of a step come to, with the live copy kept or lost
// before each. The first step has been told of more than the start.
func splitSteps(t *testing.T, lost bool, program code, maxEvents int, with ...model.Event) (parts []*engine.OrchestrationResult) {
	t.Helper()
	h := newHost(t, program)
	h.config.MaxEvents = maxEvents
	parts = append(parts, h.step(append([]model.Event{started()}, with...)...))
	for parts[len(parts)-1].More {
		if len(parts) > 100 {
			t.Fatal("it does not come to an end")
		}
		if lost {
			h.evict()
		}
		parts = append(parts, h.step())
	}
	return parts
}

func terminate(x *Execution, instance string) {
	x.Terminate(engine.TerminateRequest{Instance: instance})
}

func told(r *engine.OrchestrationResult) string {
	s := kinds(r.Events)
	for _, end := range r.Terminate {
		s += " end of " + end.Instance
	}
	return s
}

// rewoundEvent is what a history has of a rewind.
var rewoundEvent = model.Event{Kind: model.ExecutionRewound, ID: model.NoID}

// TestTerminationGoesWithWhatWasAskedForBeforeIt: the instance may be one that the step
// starts. So it does if the execution was rewound before.
func TestTerminationGoesWithWhatWasAskedForBeforeIt(t *testing.T) {
	for _, with := range [][]model.Event{nil, {rewoundEvent}} {
		for _, lost := range []bool{false, true} {
			parts := splitSteps(t, lost, func(x *Execution, _ []byte) Outcome {
				terminate(x, "first")
				task(x, "0")
				task(x, "1")
				terminate(x, "second")
				task(x, "2")
				x.Act(model.Event{Kind: model.ChildCreated, Instance: "child"})
				terminate(x, "child")
				task(x, "4").Wait()
				return Outcome{}
			}, 3, with...)
			var got []string
			for _, r := range parts {
				got = append(got, told(r))
			}
			want := []string{
				"TaskScheduled#0 end of first", "TaskScheduled#1 TaskScheduled#2 end of second",
				"SubOrchestrationInstanceCreated#3 TaskScheduled#4 end of child",
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("rewound %v, lost %v: the parts are\n%q, want\n%q", with != nil, lost, got, want)
			}
		}
	}
}

// TestRewoundCodeTerminatesWhatItHadNotComeTo: the failure that a rewind has taken back
// is not there any more, so an answer that came after it makes the code go on.
func TestRewoundCodeTerminatesWhatItHadNotComeTo(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		a, b := task(x, "a"), task(x, "b")
		terminate(x, "early")
		if WaitFirst(x, []*Op{a, b}) == 0 {
			return Outcome{Failure: a.Failure}
		}
		terminate(x, "with the answer")
		task(x, "c")
		terminate(x, "late")
		a.Wait()
		return Outcome{}
	})
	if got := told(h.step(started())); got != "TaskScheduled#0 TaskScheduled#1 end of early" {
		t.Fatal(got)
	}
	h.evict() // it failed, and what the rewind has left of that is this:
	h.history = append(h.history, model.Event{Kind: model.OrchestratorStarted, ID: model.NoID}, completed(1, ""), rewoundEvent)
	if got := told(h.step()); got != "TaskScheduled#2 end of late" {
		t.Errorf("after the rewind it asks for %q", got)
	}
	h.evict()
	if got := told(h.step(completed(0, ""))); got != "ExecutionCompleted#3" {
		t.Errorf("after that it asks for %q", got)
	}
}

// TestTerminationsTakeTheirPlaceInAStep: the engine counts them with the events.
func TestTerminationsTakeTheirPlaceInAStep(t *testing.T) {
	for _, lost := range []bool{false, true} {
		ends, events := 0, 0
		parts := splitSteps(t, lost, func(x *Execution, _ []byte) Outcome {
			for i := range 10 {
				terminate(x, fmt.Sprint(i))
			}
			for i := range 10 {
				task(x, fmt.Sprint(i))
				terminate(x, fmt.Sprint(i))
			}
			task(x, "last").Wait()
			return Outcome{}
		}, 10)
		for _, r := range parts {
			if n := len(r.Events) + len(r.Terminate); n > 10 {
				t.Errorf("lost %v: a part asks for %d things", lost, n)
			}
			ends, events = ends+len(r.Terminate), events+len(r.Events)
		}
		if ends != 20 || events != 11 {
			t.Errorf("lost %v: %d terminations and %d events", lost, ends, events)
		}
	}
}

// TestWhatIsCancelledInTheRestOfAStepIsCancelledThoughTheLiveCopyIsLost: the
// cancellation goes with the part that asks for what it cancels.
func TestWhatIsCancelledInTheRestOfAStepIsCancelledThoughTheLiveCopyIsLost(t *testing.T) {
	for _, lost := range []bool{false, true} {
		parts := splitSteps(t, lost, func(x *Execution, _ []byte) Outcome {
			first, _, third := task(x, "0"), task(x, "1"), task(x, "2")
			timer := &Op{}
			timer.Init(x, "timer")
			x.Ask(timer, model.Event{Kind: model.TimerCreated})
			for _, op := range []*Op{first, third, timer} {
				op.Cancel(nil)
			}
			task(x, "4").Wait()
			return Outcome{}
		}, 2)
		got := ""
		for _, r := range parts {
			got += fmt.Sprint(r.CancelTasks, r.CancelTimers, " ")
		}
		if want := "[0] [] [2] [3] [] [] "; got != want {
			t.Errorf("lost %v: cancelled are %q, want %q", lost, got, want)
		}
	}
}
