// Package sysclock is the clock of the machine.
package sysclock

import (
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// Clock reads the operating system's clocks. Its Mono counts from the call of New.
type Clock struct {
	start time.Time
}

var _ substrate.Clock = (*Clock)(nil)

// New returns a clock whose Mono starts at zero.
func New() *Clock { return &Clock{start: time.Now()} }

// Wall returns the wall clock time. It carries no monotonic reading, because a
// wall time is stored and compared across processes.
func (c *Clock) Wall() time.Time { return time.Now().Round(0) }

// Mono returns the monotonic time since New.
func (c *Clock) Mono() time.Duration { return time.Since(c.start) }

// AfterFunc calls f in a goroutine of its own once d has passed.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}
