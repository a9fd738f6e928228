package histories

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// Check reports the first place where a history cannot be what one execution has
// been told and has asked for: an action that is missing or is there twice, an
// answer to nothing, a second answer, anything after the end.
func Check(history []model.Event) error {
	return newChecker().check(history)
}

func newChecker() *checker {
	return &checker{asked: map[int32]model.Kind{}, requested: map[string]model.Kind{}, answered: map[string]int{}}
}

func (c *checker) check(history []model.Event) error {
	for i := range history {
		if err := c.event(&history[i]); err != nil {
			return fmt.Errorf("event %d of %d, %v: %w", i, len(history), history[i].Kind, err)
		}
	}
	if c.ended && c.after {
		return fmt.Errorf("%d events end with the begin of a step after the end", len(history))
	}
	if !c.started {
		return fmt.Errorf("no %v in %d events", model.ExecutionStarted, len(history))
	}
	return nil
}

type checker struct {
	foreign        bool // actions are numbered by other rules
	started, ended bool
	failed         bool                  // is how it ended
	after          bool                  // a step has begun after that: it has to be a rewind
	next           int32                 // the ID of the next action
	asked          map[int32]model.Kind  // actions by ID
	requested      map[string]model.Kind // calls and critical sections by request
	answered       map[string]int        // answers, by what they answer
}

// answers says which kind of action an event answers.
var answers = map[model.Kind]model.Kind{
	model.TaskCompleted: model.TaskScheduled, model.TaskFailed: model.TaskScheduled, model.TimerFired: model.TimerCreated,
	model.ChildCompleted: model.ChildCreated, model.ChildFailed: model.ChildCreated,
	model.EntityResponded: model.EntityCalled, model.EntityOperationFailed: model.EntityCalled, model.EntityLockGranted: model.EntityLockRequested,
}

func (c *checker) event(ev *model.Event) error {
	switch {
	case c.ended && c.failed && !c.after && ev.Kind == model.OrchestratorStarted:
		c.after = true
		return nil
	case c.ended && c.after && ev.Kind == model.ExecutionRewound:
		// Of a failure in a critical section, which stays: it fails again.
		c.ended, c.failed, c.after = false, false, false
		return nil
	case c.ended:
		return fmt.Errorf("the execution had ended before")
	case ev.Kind == model.OrchestratorStarted:
		return nil
	case ev.Kind == model.ExecutionStarted && c.started:
		return fmt.Errorf("the execution had begun before")
	case ev.Kind == model.ExecutionStarted:
		c.started = true
		return nil
	case !c.started:
		return fmt.Errorf("the execution had not begun")
	case ev.Kind.Outgoing():
		return c.action(ev)
	}
	if action, ok := answers[ev.Kind]; ok {
		return c.answer(ev, action)
	}
	return nil
}

func (c *checker) action(ev *model.Event) error {
	if ev.ID == model.NoID && ev.Kind == model.ExecutionCompleted {
		c.end(ev) // by the engine: it was terminated, or its worker could not go on
		return nil
	}
	if c.foreign {
		return c.foreignAction(ev)
	}
	if ev.ID != c.next {
		return fmt.Errorf("action %d, want action %d", ev.ID, c.next)
	}
	c.next++
	c.asked[ev.ID] = ev.Kind
	switch ev.Kind {
	case model.EntityCalled, model.EntityLockRequested:
		if _, twice := c.requested[ev.RequestID]; twice {
			return fmt.Errorf("request %s was made before", ev.RequestID)
		}
		c.requested[ev.RequestID] = ev.Kind
	case model.ExecutionCompleted:
		c.end(ev)
	}
	return nil
}

func (c *checker) end(ev *model.Event) {
	c.ended, c.failed = true, ev.Extra().Status == model.Failed
}

func (c *checker) answer(ev *model.Event, to model.Kind) error {
	what, got := fmt.Sprint("action ", ev.Ref), c.asked[ev.Ref]
	if to == model.EntityCalled || to == model.EntityLockRequested {
		what, got = "request "+ev.RequestID, c.requested[ev.RequestID]
	}
	if got != to {
		return fmt.Errorf("it answers %s, which is no %v", what, to)
	}
	if c.answered[what]++; c.answered[what] > 1 {
		return fmt.Errorf("%s was answered before", what)
	}
	return nil
}
