package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	core "github.com/netherite-go/netherite/engine/netherite"
)

// The garbage collector's settings, unless the environment has some. A hub bounds
// what it keeps, and what the collector costs is a question of how much may be
// allocated between two of its runs. So the heap may grow to a fixed size, however
// little of it is alive, and beyond that only by a part of what is. With a fixed
// percentage (400) short orchestrations had a run for every 80 MB, and a million
// waiting ones took five times what was alive. The limit makes the collector work
// harder before that becomes too much. It must be far above what is ever alive,
// clients of the same process included: a collector that cannot keep to its limit
// takes half of the processors, and what has to be done piles up the more.
const (
	collectorHeap    = core.DefaultMemory + 16<<20
	collectorPercent = 40
	collectorLimit   = 4 * core.DefaultMemory
)

// tuneRuntime sets up Go's runtime for a process that is nothing but a hub.
// Programs that embed one choose for themselves: docs/performance.md.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		followHeap(&heapFollower{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}})
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(collectorLimit)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// A sync of the log occupies one of Go's processors for a part of its time,
		// until the runtime takes notice, and there is always one under way. One
		// processor more than there are cores: Hello5 with 128 clients on two cores
		// gains a quarter, and its 99th percentile halves.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// tuneFor makes room for a hub whose memory limit is more than the default.
func tuneFor(memory int64) {
	if os.Getenv("GOMEMLIMIT") == "" && memory > core.DefaultMemory {
		debug.SetMemoryLimit(memory * (collectorLimit / core.DefaultMemory))
	}
}

// heapFollower sets the collector's percentage after each of its runs.
type heapFollower struct {
	live    []metrics.Sample
	percent int
}

// followHeap sets the percentage now and, by way of an object that only the
// collector frees, after its next run.
func followHeap(f *heapFollower) {
	metrics.Read(f.live)
	f.set(percentFor(f.live[0].Value.Uint64()))
	runtime.AddCleanup(new([16]byte), followHeap, f)
}

// set changes the percentage unless it is about the same: a change stops the world.
func (f *heapFollower) set(percent int) {
	if off := percent - f.percent; off*10 > f.percent || off*10 < -f.percent {
		debug.SetGCPercent(percent)
		f.percent = percent
	}
}

// percentFor is the collector's percentage with so many bytes alive.
func percentFor(live uint64) int {
	const most = 1_000 // just after the start there is nothing to go by
	room := int(collectorHeap) - int(live)
	return min(max(room*100/int(max(live, 1)), collectorPercent), most)
}
