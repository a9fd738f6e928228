package mem_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netherite-go/netherite/substrate/mem"
)

func TestClockRunsWhatIsDueInOrder(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c := mem.NewClock(start)
	var ran []string
	note := func(name string, at time.Duration) func() {
		return func() {
			if c.Mono() != at || !c.Wall().Equal(start.Add(at)) {
				t.Errorf("%s ran at %v, %v", name, c.Mono(), c.Wall())
			}
			ran = append(ran, name)
		}
	}
	c.AfterFunc(2*time.Second, note("b", 2*time.Second))
	c.AfterFunc(time.Second, func() {
		note("a", time.Second)()
		c.AfterFunc(time.Second, note("c", 2*time.Second))
		c.AfterFunc(time.Hour, note("never", 0))
	})
	stop := c.AfterFunc(time.Second, note("stopped", 0))
	stop()
	if d, ok := c.Next(); !ok || d != time.Second {
		t.Fatalf("next in %v, %v", d, ok)
	}
	c.Advance(3 * time.Second)
	if want := []string{"a", "b", "c"}; !slices.Equal(ran, want) {
		t.Fatalf("ran %v, want %v", ran, want)
	}
	stop() // once more does nothing
}

func TestClockJumpMovesTheWallOnly(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c := mem.NewClock(start)
	ran := false
	c.AfterFunc(time.Minute, func() { ran = true })
	c.Jump(-time.Hour)
	c.Advance(time.Second)
	if ran || c.Mono() != time.Second || !c.Wall().Equal(start.Add(time.Second-time.Hour)) {
		t.Fatalf("ran %v, mono %v, wall %v", ran, c.Mono(), c.Wall())
	}
	if _, ok := c.Next(); !ok {
		t.Fatal("the function is gone")
	}
}
