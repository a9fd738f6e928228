package hubtest

import (
	"testing"
	"time"

	"github.com/netherite-go/netherite/substrate/mem"
)

// Flowing is a virtual clock that goes on by itself about as fast as real time, so
// that what the engine does after a while gets done, and can be advanced.
type Flowing struct{ *mem.Clock }

const flow = 2 * time.Millisecond

// NewFlowing starts one, which stands still when the test ends.
func NewFlowing(t testing.TB) Flowing {
	c := Flowing{mem.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(flow)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				c.Advance(flow)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return c
}
