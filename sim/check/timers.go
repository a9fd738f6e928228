package check

import (
	"fmt"
	"time"

	"github.com/netherite-go/netherite/model"
)

// NotEarly checks that a timer does not fire before its time (G10).
func NotEarly(fireAt model.Time, wall time.Time) error {
	if now := model.TimeOf(wall); fireAt > now {
		return fmt.Errorf("timer: one for %v fired at %v", fireAt, now)
	}
	return nil
}

// NotLate checks that a timer fires within a while of its time, or, if that was
// earlier, of the moment since which nothing has kept the hub from firing timers.
func NotLate(fireAt model.Time, calm, wall time.Time, while time.Duration) error {
	due := max(fireAt, model.TimeOf(calm))
	if late := model.TimeOf(wall).Sub(due); late > while {
		return fmt.Errorf("timer: one for %v fired at %v, %v late", fireAt, model.TimeOf(wall), late)
	}
	return nil
}
