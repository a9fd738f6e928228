package main

import (
	"os"
	"runtime/debug"

	core "github.com/netherite-go/netherite/engine/netherite"
)

// The garbage collector's settings, unless the environment has some. A hub bounds
// what it keeps, so that letting five times as much stand costs little memory; and
// it saves a tenth to a fifth of the processor time of short orchestrations. The
// limit, twice the memory limit of a hub, makes the collector work harder before
// that becomes too much.
const (
	collectorPercent = 400
	collectorLimit   = 2 * core.DefaultMemory
)

// tuneCollector sets the collector for a process that is nothing but a hub.
// Programs that embed one choose for themselves: docs/performance.md.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(collectorLimit)
	}
}
