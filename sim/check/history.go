package check

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// History checks one execution's history: each action is there once and has at
// most one outcome, which follows it (G2).
func History(id string, events []model.Event) error {
	asked := map[int32]model.Kind{}
	answered := map[int32]bool{}
	ended := false
	for n := range events {
		ev := &events[n]
		if ended {
			return fmt.Errorf("history: %q goes on after its end with event %d, %v", id, n, ev.Kind)
		}
		switch ev.Kind {
		case model.TaskScheduled, model.ChildCreated, model.TimerCreated:
			if _, twice := asked[ev.ID]; twice {
				return fmt.Errorf("history: %q has action %d twice", id, ev.ID)
			}
			asked[ev.ID] = ev.Kind
		case model.TaskCompleted, model.TaskFailed, model.ChildCompleted, model.ChildFailed, model.TimerFired:
			if _, known := asked[ev.Ref]; !known {
				return fmt.Errorf("history: %q has a %v for action %d, which it has not asked for", id, ev.Kind, ev.Ref)
			}
			if answered[ev.Ref] {
				return fmt.Errorf("history: %q has a second outcome, %v, of action %d", id, ev.Kind, ev.Ref)
			}
			answered[ev.Ref] = true
		case model.ExecutionCompleted:
			ended = true
		}
	}
	return nil
}
