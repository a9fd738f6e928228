package histories

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// CheckSuspended reports the first step of code that began while its execution was
// suspended. Batch is how many messages a step is told at most: after it was
// resumed, an execution is told in full steps what was held back, and with the last
// of that, that it was resumed.
func CheckSuspended(history []model.Event, batch int) error {
	suspended := false
	for i := 0; i < len(history); i++ {
		if history[i].Kind != model.OrchestratorStarted {
			continue
		}
		s := stepAt(history, i, suspended)
		if suspended && !s.excused && s.told < batch {
			return fmt.Errorf("event %d of %d: a step begins although the execution is suspended", i, len(history))
		}
		suspended = s.suspended
	}
	return nil
}

// toldStep is what a step was told.
type toldStep struct {
	told      int
	suspended bool // is how it leaves the execution
	excused   bool // it was told of a resumption, or is the engine's, which ends or rewinds
}

// stepAt reads the step that begins at i.
func stepAt(history []model.Event, i int, suspended bool) toldStep {
	s := toldStep{suspended: suspended}
	for _, ev := range history[i+1:] {
		switch ev.Kind {
		case model.OrchestratorStarted:
			return s
		case model.ExecutionSuspended:
			s.suspended = true
		case model.ExecutionResumed:
			s.suspended, s.excused = false, true
		case model.ExecutionTerminated, model.ExecutionRewound:
			s.excused = true
		}
		if ev.Kind.Outgoing() {
			return s
		}
		s.told++
	}
	return s
}
