package histories

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// CheckForeign is Check for the history of an orchestration in another language,
// which numbers its actions as it likes: some begin at one, some leave numbers out,
// what is never answered may have the number of something else, and what is tried
// again that of what has failed.
func CheckForeign(history []model.Event) error {
	c := newChecker()
	c.foreign = true
	return c.check(history)
}

// foreignAction notes an action. Those that are answered by their number are told
// apart by it.
func (c *checker) foreignAction(ev *model.Event) error {
	switch ev.Kind {
	case model.TaskScheduled, model.TimerCreated, model.ChildCreated:
		what := fmt.Sprint("action ", ev.ID)
		if _, twice := c.asked[ev.ID]; twice && c.answered[what] == 0 || ev.ID < 0 {
			return fmt.Errorf("there is an action %d already", ev.ID)
		}
		delete(c.answered, what)
		c.asked[ev.ID] = ev.Kind
	case model.EntityCalled, model.EntityLockRequested:
		c.requested[ev.RequestID] = ev.Kind
	case model.ExecutionCompleted:
		c.end(ev)
	}
	return nil
}
