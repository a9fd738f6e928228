package sweep_test

import (
	"sync"
	"time"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// halting is the system's clock, which stands still while a workload is held up: what a
// hub does after a while of rest it would else do because recoveries take long.
type halting struct {
	substrate.Clock

	mu    sync.Mutex
	holds int
	since time.Duration // by the system's clock, when it halted
	lost  time.Duration
}

func newHalting() *halting { return &halting{Clock: sysclock.New()} }

// during halts the clock while a function runs.
func (c *halting) during(f func()) {
	c.mu.Lock()
	if c.holds++; c.holds == 1 {
		c.since = c.Clock.Mono()
	}
	c.mu.Unlock()
	f()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds--; c.holds == 0 {
		c.lost += c.Clock.Mono() - c.since
	}
}

// behind is how long it has stood still.
func (c *halting) behind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds > 0 {
		return c.lost + c.Clock.Mono() - c.since
	}
	return c.lost
}

// Wall implements substrate.Clock.
func (c *halting) Wall() time.Time { return c.Clock.Wall().Add(-c.behind()) }

// Mono implements substrate.Clock.
func (c *halting) Mono() time.Duration { return c.Clock.Mono() - c.behind() }

// AfterFunc implements substrate.Clock. While the clock stands still it looks again.
func (c *halting) AfterFunc(d time.Duration, f func()) (stop func()) {
	const look = 5 * time.Millisecond
	var mu sync.Mutex
	due, stopped := c.Mono()+d, false
	var last func()
	var now func()
	now = func() {
		left := due - c.Mono()
		mu.Lock()
		over := stopped || left > 0
		if left > 0 && !stopped {
			last = c.Clock.AfterFunc(max(left, look), now)
		}
		mu.Unlock()
		if !over {
			f()
		}
	}
	mu.Lock()
	last = c.Clock.AfterFunc(d, now)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		last()
	}
}
