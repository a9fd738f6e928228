package rewind_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/model"
)

// events makes events of these kinds.
func events(kinds ...model.Kind) (list []model.Event) {
	for i, k := range kinds {
		list = append(list, model.Event{Kind: k, ID: int32(i)})
	}
	return list
}

func asked() *engine.OrchestrationItem {
	return &engine.OrchestrationItem{Now: 7, NewEvents: events(model.ExecutionRewound)}
}

func count(list []model.Event, k model.Kind) (n int) {
	for i := range list {
		if list[i].Kind == k {
			n++
		}
	}
	return n
}

func TestCandidatesTakeBackLessAndLessAndNeverWhatWasAskedFor(t *testing.T) {
	history := events(model.OrchestratorStarted, model.ExecutionStarted, model.TaskScheduled, model.TaskScheduled,
		model.OrchestratorStarted, model.TaskFailed, model.TaskScheduled, model.OrchestratorStarted, model.TaskFailed,
		model.OrchestratorStarted, model.ChildFailed, model.ExecutionCompleted)
	c := rewind.Of(asked(), history)
	for i, want := range []struct {
		failures, same int
		last           bool
	}{{0, 4, false}, {1, 7, false}, {2, 9, false}, {3, 11, true}, {3, 11, true}} {
		got := c.Next()
		if n := count(got.History, model.TaskFailed) + count(got.History, model.ChildFailed); n != want.failures || got.Same != want.same || got.Last != want.last {
			t.Errorf("candidate %d has %d failures, %d events that are the same, and is the last %v, want %+v", i, n, got.Same, got.Last, want)
		}
		if count(got.History, model.TaskScheduled) != 3 || count(got.History, model.ExecutionCompleted) != 0 {
			t.Errorf("candidate %d is %v", i, got.History)
		}
		if end := got.History[len(got.History)-1]; end.Kind != model.ExecutionRewound || end.Time != 7 {
			t.Errorf("candidate %d does not end with the rewind: %v", i, end)
		}
		if !got.Last && got.History[got.Same].Kind != model.OrchestratorStarted {
			t.Errorf("candidate %d: what is the same ends within a step", i)
		}
	}
}

func TestSuspensionThatTheEndTookBackIsInNoCandidate(t *testing.T) {
	for _, c := range []struct {
		came []model.Kind
		want int // that stay
	}{
		{[]model.Kind{model.TaskFailed, model.ExecutionSuspended}, 0},
		{[]model.Kind{model.ExecutionSuspended, model.ExecutionResumed, model.TaskFailed}, 1},
		{[]model.Kind{model.ExecutionSuspended, model.ExecutionResumed, model.TaskFailed, model.ExecutionSuspended}, 1},
	} {
		kinds := append([]model.Kind{model.ExecutionStarted, model.TaskScheduled, model.OrchestratorStarted}, c.came...)
		candidates := rewind.Of(asked(), events(append(kinds, model.ExecutionCompleted)...))
		for i := range 3 {
			got := candidates.Next().History
			if n := count(got, model.ExecutionSuspended); n != c.want || count(got, model.ExecutionResumed) != c.want {
				t.Errorf("%v: candidate %d has %d suspensions, want %d: %v", c.came, i, n, c.want, got)
			}
		}
	}
	item := &engine.OrchestrationItem{NewEvents: events(model.ExecutionRewound, model.ExecutionSuspended)}
	if got := rewind.Of(item, events(model.ExecutionStarted, model.ExecutionCompleted)).Next().History; count(got, model.ExecutionSuspended) != 1 {
		t.Errorf("a suspension that came after the rewind is gone: %v", got)
	}
}

func TestOnlyMarkedRewindsAreByTheServer(t *testing.T) {
	h := rewind.Of(asked(), events(model.OrchestratorStarted, model.ExecutionStarted)).Next().History
	end := &h[len(h)-1]
	if rewind.ByServer(end) {
		t.Error("it is not marked")
	}
	if rewind.Mark(h); !rewind.ByServer(end) || rewind.ByServer(&h[0]) {
		t.Errorf("marked: %v", h)
	}
	if !rewind.Requested(asked()) || rewind.Requested(&engine.OrchestrationItem{}) {
		t.Error("an item asks for a rewind exactly if it has one among what is new")
	}
}

func TestWhatEndedInACriticalSectionIsNotRewound(t *testing.T) {
	history := events(model.OrchestratorStarted, model.ExecutionStarted, model.EntityLockRequested, model.OrchestratorStarted, model.EntityLockGranted,
		model.OrchestratorStarted, model.ExecutionCompleted)
	if r := rewind.Refused(asked(), history); r == nil || r.Events[0].Failure.Type != model.FailureLockViolation {
		t.Errorf("%+v", r)
	}
	released := append(events(model.OrchestratorStarted, model.ExecutionStarted, model.EntityLockRequested, model.OrchestratorStarted, model.EntityLockGranted,
		model.EntityUnlockSent), events(model.OrchestratorStarted, model.ExecutionCompleted)...)
	if r := rewind.Refused(asked(), released); r != nil {
		t.Errorf("%+v", r)
	}
}
