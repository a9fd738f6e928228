package netherite_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// until waits until the condition holds.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !cond() {
		if ctx.Err() != nil {
			t.Fatalf("waited in vain: %s", what)
		}
		runtime.Gosched()
	}
}

// A parked partition begins none of the orchestrations that it held back: there is
// nothing to look at again and again.
func TestKeeperRestsThoughAPartitionParkedWhileItHeldOrchestrationsBack(t *testing.T) {
	e := openHub(t, newMemory(1), func(o *netherite.Options) {
		o.KeeperTick(time.Millisecond)
		o.Checkpoint.Idle = time.Millisecond
	})
	w := newHoarder("", engine.Limits{Live: 1})
	w.connect(t, e)
	start(t, e, "X", 50)
	until(t, "the partition holds orchestrations back", func() bool { return e.ParkWhileHolding("X-0") })
	until(t, "the keeper rests", e.KeeperRests)
}
