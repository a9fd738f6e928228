package histories_test

import (
	"slices"
	"testing"

	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
)

func TestNoStepBeginsWhileAnExecutionIsSuspended(t *testing.T) {
	step := func(told ...model.Kind) (events []model.Event) {
		events = append(events, model.Event{Kind: model.OrchestratorStarted})
		for _, k := range told {
			events = append(events, model.Event{Kind: k})
		}
		return append(events, model.Event{Kind: model.TimerCreated})
	}
	const batch = 2
	suspended := slices.Concat(step(model.ExecutionStarted), step(model.TimerFired, model.ExecutionSuspended))
	for what, rest := range map[string][]model.Event{
		"nothing":                       nil,
		"a resumption":                  step(model.ExecutionResumed),
		"what was held back, and more":  slices.Concat(step(model.TimerFired, model.EventRaised), step(model.ExecutionResumed), step(model.EventRaised)),
		"a termination":                 step(model.ExecutionTerminated),
		"a resumption and a suspension": slices.Concat(step(model.ExecutionResumed, model.ExecutionSuspended), step(model.ExecutionResumed)),
	} {
		if err := histories.CheckSuspended(slices.Concat(suspended, rest), batch); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, rest := range map[string][]model.Event{
		"a message":             step(model.TimerFired),
		"nothing at all":        step(),
		"less than was held":    slices.Concat(step(model.TimerFired), step(model.ExecutionResumed)),
		"a second suspension":   slices.Concat(step(model.ExecutionResumed, model.ExecutionSuspended), step(model.EventRaised)),
		"a step without an end": {{Kind: model.OrchestratorStarted}},
	} {
		if err := histories.CheckSuspended(slices.Concat(suspended, rest), batch); err == nil {
			t.Errorf("%s: nothing was found", what)
		}
	}
}
