package sim

import (
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// clock is a process's view of the time. What it was asked to call is not
// called when the process is gone.
type clock struct {
	w    *world
	p    *process
	dead bool
	due  []func() // while the process stands still
}

var _ substrate.Clock = (*clock)(nil)

// Wall implements substrate.Clock.
func (c *clock) Wall() time.Time { return c.w.wall() }

// Mono implements substrate.Clock.
func (c *clock) Mono() time.Duration { return c.w.now }

// AfterFunc implements substrate.Clock.
func (c *clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	stopped := false
	call := func() {
		if !c.dead && !stopped {
			c.w.note("timer", 0, 0)
			f()
		}
	}
	forget := c.w.after(d, func() {
		if c.p.paused {
			c.due = append(c.due, call)
			return
		}
		call()
	})
	return func() { stopped = true; forget() }
}
