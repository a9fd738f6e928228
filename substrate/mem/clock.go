package mem

import (
	"container/heap"
	"sync"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// Clock is a substrate.Clock that moves only when it is told to. Functions run
// inside Advance, one after another, in the order of their time and, at the
// same time, of their AfterFunc.
type Clock struct {
	moving sync.Mutex // held by the Advance in progress

	mu     sync.Mutex
	mono   time.Duration
	start  time.Time     // the wall time at mono 0
	skew   time.Duration // added to the wall time by Jump
	serial uint64
	timers timers
}

var _ substrate.Clock = (*Clock)(nil)

// NewClock returns a clock that stands at a wall time.
func NewClock(wall time.Time) *Clock { return &Clock{start: wall.Round(0)} }

// Wall implements substrate.Clock.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start.Add(c.mono + c.skew)
}

// Mono implements substrate.Clock.
func (c *Clock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

// AfterFunc implements substrate.Clock; f runs inside a later Advance, also if d
// is zero or negative.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	t := &timer{at: c.mono + max(d, 0), serial: c.serial, f: f}
	heap.Push(&c.timers, t)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.index >= 0 {
			heap.Remove(&c.timers, t.index)
		}
	}
}

// Jump moves the wall clock, but not Mono, as an operator or a time server does.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += d
}

// Next returns how long it is until the next function is due; ok is false if
// there is none.
func (c *Clock) Next() (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return 0, false
	}
	return c.timers[0].at - c.mono, true
}

// Advance moves both clocks by d and runs what falls due, each at its own time;
// so does what those functions ask for within d. Of several callers, one moves
// the clock at a time; the functions must not call it themselves.
func (c *Clock) Advance(d time.Duration) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	until := c.mono + max(d, 0)
	for len(c.timers) > 0 && c.timers[0].at <= until {
		t := heap.Pop(&c.timers).(*timer)
		c.mono = max(c.mono, t.at)
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.mono = max(c.mono, until)
	c.mu.Unlock()
}

type timer struct {
	at     time.Duration
	serial uint64
	f      func()
	index  int
}

// timers is a heap by time, then by serial.
type timers []*timer

func (t timers) Len() int { return len(t) }

func (t timers) Less(i, j int) bool {
	if t[i].at != t[j].at {
		return t[i].at < t[j].at
	}
	return t[i].serial < t[j].serial
}

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	e := x.(*timer)
	e.index = len(*t)
	*t = append(*t, e)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	e.index = -1
	return e
}
