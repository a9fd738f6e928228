package histories_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
)

// whole is a history with one action of each kind that is answered.
func whole() []model.Event {
	return []model.Event{
		{Kind: model.OrchestratorStarted}, {Kind: model.ExecutionStarted},
		{Kind: model.TaskScheduled, ID: 0}, {Kind: model.EntityCalled, ID: 1, RequestID: "r"},
		{Kind: model.OrchestratorStarted}, {Kind: model.TaskCompleted, Ref: 0},
		{Kind: model.TimerCreated, ID: 2}, {Kind: model.OrchestratorStarted}, {Kind: model.EntityResponded, RequestID: "r"}, {Kind: model.TimerFired, Ref: 2},
		{Kind: model.ExecutionCompleted, ID: 3},
	}
}

func TestHolesAndDuplicatesOfAHistoryAreFound(t *testing.T) {
	if err := histories.Check(whole()); err != nil {
		t.Fatal(err)
	}
	for i, ev := range whole() {
		if ev.Kind == model.OrchestratorStarted {
			continue
		}
		if err := histories.Check(slices.Insert(whole(), i, ev)); err == nil {
			t.Errorf("event %d, %v, is there twice: nothing was found", i, ev.Kind)
		}
		if _, answer := map[model.Kind]bool{model.TaskCompleted: true, model.EntityResponded: true, model.TimerFired: true}[ev.Kind]; answer || ev.Kind == model.ExecutionCompleted {
			continue // what is not answered yet is no hole
		}
		if err := histories.Check(slices.Delete(whole(), i, i+1)); err == nil {
			t.Errorf("event %d, %v, is missing: nothing was found", i, ev.Kind)
		}
	}
}

// The only step after the end is a rewind, of a failure.
func TestOnlyARewindFollowsAFailure(t *testing.T) {
	failed := whole()
	failed[len(failed)-1].Ext = &model.Ext{Status: model.Failed}
	again := []model.Event{{Kind: model.OrchestratorStarted}, {Kind: model.ExecutionRewound}, {Kind: model.ExecutionCompleted, ID: 4}}
	if err := histories.Check(append(failed, again...)); err != nil {
		t.Error(err)
	}
	for name, history := range map[string][]model.Event{
		"no rewind": append(failed, model.Event{Kind: model.OrchestratorStarted}), "another step": append(failed, again[0], again[0]),
		"not failed": append(whole(), again...), "at once": append(failed, again[1:]...),
	} {
		if err := histories.Check(slices.Clone(history)); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
}

func TestCanonicalHistoriesDifferInWhatWasAskedAndTold(t *testing.T) {
	a := whole()
	b := whole()
	b[8], b[9] = b[9], b[8] // the answers came in another order
	for i := range b {
		b[i].Time = 7
	}
	if x, y := histories.Canonical(a), histories.Canonical(b); !slices.Equal(x, y) {
		t.Errorf("%s\n%s", strings.Join(x, "\n"), strings.Join(y, "\n"))
	}
	b[2].Name = "other"
	if slices.Equal(histories.Canonical(a), histories.Canonical(b)) {
		t.Error("another activity makes no difference")
	}
}

func TestAForeignHistoryMayUseTheNumberOfWhatIsAnsweredAgain(t *testing.T) {
	failed := []model.Event{
		{Kind: model.OrchestratorStarted}, {Kind: model.ExecutionStarted}, {Kind: model.TaskScheduled, ID: 1},
		{Kind: model.OrchestratorStarted}, {Kind: model.TaskFailed, Ref: 1},
	}
	again := slices.Concat(failed, []model.Event{{Kind: model.TaskScheduled, ID: 1}, {Kind: model.OrchestratorStarted}, {Kind: model.TaskCompleted, Ref: 1}})
	if err := histories.CheckForeign(again); err != nil {
		t.Error(err)
	}
	for what, history := range map[string][]model.Event{
		"a second action with its number": slices.Concat(failed[:3], []model.Event{{Kind: model.TaskScheduled, ID: 1}}),
		"a second answer":                 slices.Concat(failed, []model.Event{{Kind: model.TaskCompleted, Ref: 1}}),
		"a third answer":                  slices.Concat(again, []model.Event{{Kind: model.TaskCompleted, Ref: 1}}),
	} {
		if err := histories.CheckForeign(history); err == nil {
			t.Errorf("%s: nothing was found", what)
		}
	}
}
