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

// Work that was held back for lack of memory is handed out when a request leaves that
// took it, though nothing else goes on.
func TestHandOutGoesOnWhenARequestLeavesRoom(t *testing.T) {
	const memory = 16 << 20
	e := openHub(t, newMemory(1), func(o *netherite.Options) { o.Memory, o.CheckReplay = memory, false })
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 2)
	w.await(t, "both steps", func() bool { return len(w.steps) == 2 })
	leave, err := e.Occupy(memory / 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
		t.Fatal(err)
	}
	until(t, "work is held back", e.Paused)
	checkpoint(t, e) // nothing is under way any more
	until(t, "the keeper rests", e.KeeperRests)
	until(t, "the partition rests", e.PartitionsRest)
	leave()
	w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
}
