package partition

import (
	"math"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestAbsenceHoldsForTheBatchInWhichAGraveIsApplied(t *testing.T) {
	p := newOne(t)
	start := &Start{Request: engine.StartRequest{Instance: "a", Name: "N"}}
	p.apply(start)
	p.checkpoint()
	p.apply(&Command{Op: OpTerminate, Instance: "a"})
	p.apply(&Command{Op: OpPurge, Instance: "a"})
	p.begin()
	if missing := p.state.Missing(nil, []Key{{ID: "a"}}); len(missing) > 0 {
		t.Fatalf("a buried instance is to be loaded: %v", missing)
	}
	p.applied()
	var ans Answer
	if v := p.state.Check(start, p.hub.now, &ans); v != Admit {
		t.Fatalf("verdict %v, expected that the ID is free", v)
	}
}

// firstStep starts an orchestration and takes the result of its first step.
func (p *testPart) firstStep(id string, r *engine.OrchestrationResult) {
	p.apply(&Start{Request: engine.StartRequest{Instance: id, Name: "N"}})
	p.dispatch(1)
	r.Token = p.orchestrations[id].Token
	p.apply(&StepDone{Ord: r.Token.Instance, Handout: r.Token.Name.Number, Result: r})
}

func TestTimerCancelledInItsStepIsGone(t *testing.T) {
	p := newOne(t)
	p.firstStep("a", &engine.OrchestrationResult{
		Events:       []model.Event{{Kind: model.TimerCreated, ID: 0, FireAt: p.hub.now.Add(1000 * 3600e9)}},
		CancelTimers: []int32{0},
	})
	if n := p.state.byID["a"].timers.live; n != 0 {
		t.Fatalf("%d timers are left, expected none", n)
	}
}

func TestTimerForATimeBefore1970FiresAlsoAfterARestart(t *testing.T) {
	p := newOne(t)
	p.firstStep("a", &engine.OrchestrationResult{Events: []model.Event{{Kind: model.TimerCreated, ID: 0, FireAt: math.MinInt64}}})
	p.checkpoint()
	p.hub.crash(0, false)
	if fired := p.fire(10); len(fired) != 1 {
		t.Fatalf("%v fired, expected the timer", fired)
	}
}
