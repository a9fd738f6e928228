package replay

import (
	"testing"

	"github.com/netherite-go/netherite/internal/alloctest"
)

// switchGroup is a coroutine that is continued and waits again.
var switchGroup = alloctest.Group{Name: "Switch", Ops: []alloctest.Op{{Name: "wait", Setup: func(tb testing.TB) func() {
	var wait *Op
	h := newHost(tb, func(x *Execution, _ []byte) Outcome {
		for {
			wait = &Op{}
			wait.Init(x, "")
			if !wait.Wait() {
				return Outcome{}
			}
		}
	})
	h.step(started())
	return func() {
		wait.Finish()
		h.x.run()
	}
}}}}

// replayGroup rebuilds an execution from a history of 1,000 events, and ends it.
var replayGroup = alloctest.Group{Name: "Replay", Ops: []alloctest.Op{{Name: "events=1000", Setup: func(tb testing.TB) func() {
	h := newHost(tb, func(x *Execution, _ []byte) Outcome {
		for range 500 {
			op := task(x, "a")
			if !op.Wait() {
				break
			}
		}
		return Outcome{}
	})
	h.step(started())
	for id := range int32(332) {
		h.step(completed(id, "x"))
	}
	alloctest.Report(tb, func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(h.history)), "ns/event")
	})
	return func() {
		x := New(h.config)
		x.Replay(h.history, false)
		x.Unwind()
	}
}}}}

func BenchmarkSwitch(b *testing.B) { switchGroup.Bench(b) }
func BenchmarkReplay(b *testing.B) { replayGroup.Bench(b) }

func TestAllocations(t *testing.T) { alloctest.Check(t, switchGroup, replayGroup) }
