package netherite_test

import (
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/substrate/sysclock"
)

// skewClock is the system's clock, whose wall clock a test can set.
type skewClock struct {
	*sysclock.Clock
	skew atomic.Int64
}

func newSkewClock() *skewClock { return &skewClock{Clock: sysclock.New()} }

func (c *skewClock) Wall() time.Time { return c.Clock.Wall().Add(time.Duration(c.skew.Load())) }
