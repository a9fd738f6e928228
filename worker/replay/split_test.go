package replay

import (
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// splitSteps lists what the parts of a step come to, with the live copy kept or lost
// before each.
func splitSteps(t *testing.T, lost bool, program code, maxEvents int) (parts []*engine.OrchestrationResult) {
	t.Helper()
	h := newHost(t, program)
	h.config.MaxEvents = maxEvents
	parts = append(parts, h.step(started()))
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

// TestTerminationGoesWithWhatWasAskedForBeforeIt: the instance may be one that the step
// starts.
func TestTerminationGoesWithWhatWasAskedForBeforeIt(t *testing.T) {
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
		}, 3)
		var got []string
		for _, r := range parts {
			got = append(got, told(r))
		}
		want := []string{
			"TaskScheduled#0 end of first", "TaskScheduled#1 TaskScheduled#2 end of second",
			"SubOrchestrationInstanceCreated#3 TaskScheduled#4 end of child",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("lost %v: the parts are\n%q, want\n%q", lost, got, want)
		}
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
