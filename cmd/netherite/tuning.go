package main

import (
	"os"
	"runtime"
	"runtime/debug"

	core "github.com/netherite-go/netherite/engine/netherite"
)

// The garbage collector's settings, unless the environment has some. A hub bounds
// what it keeps, so that letting five times as much stand costs little memory; and
// it saves a tenth to a fifth of the processor time of short orchestrations. The
// limit makes the collector work harder before that becomes too much. It must be far
// above what is ever alive, clients of the same process included: a collector that
// cannot keep to its limit takes half of the processors, and what has to be done
// piles up the more.
const (
	collectorPercent = 400
	collectorLimit   = 4 * core.DefaultMemory
)

// tuneRuntime sets up Go's runtime for a process that is nothing but a hub.
// Programs that embed one choose for themselves: docs/performance.md.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
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
