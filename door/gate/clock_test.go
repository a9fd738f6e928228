package gate

import (
	"sync"
	"time"
)

// testClock stands still until it is moved. What is due then runs at once.
type testClock struct {
	mu    sync.Mutex
	now   time.Duration
	after map[*testTimer]struct{}
}

type testTimer struct {
	at time.Duration
	f  func()
}

var begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newTestClock() *testClock { return &testClock{after: map[*testTimer]struct{}{}} }

func (c *testClock) Wall() time.Time { return begin.Add(c.Mono()) }

func (c *testClock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &testTimer{c.now + d, f}
	c.after[timer] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.after, timer)
	}
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now += d
	var due []func()
	for t := range c.after { // order-free: what is due at the same time
		if t.at <= c.now {
			due = append(due, t.f)
			delete(c.after, t)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}
