package enginetest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

// Clock is the time of an engine under test. It goes on by itself, about as fast
// as real time, and can be advanced.
type Clock interface {
	worker.Clock
	// Advance moves the clock and runs what falls due. It may be called from any
	// goroutine.
	Advance(time.Duration)
}

// Options is what a scenario asks of the engine that it opens. Zero fields mean
// the engine's defaults.
type Options struct {
	Logger     *slog.Logger
	MaxPayload int   // bytes of one payload
	Memory     int64 // bytes that the engine may keep
	// CheckpointRecords is after how many records the engine should have saved
	// its state elsewhere. Negative: never by itself.
	CheckpointRecords int64
	// Bulk says that there will be much data, so that checks whose cost grows with
	// it should be left out.
	Bulk bool
}

// Storage is where an engine keeps one hub. Its methods are called by one
// goroutine at a time, except for Clock.
type Storage interface {
	// Clock is the clock of the engines that Open opens.
	Clock() Clock
	// Open opens the hub. What was opened before has been closed or has crashed.
	// After an error it may be called again.
	Open(Options) (engine.Engine, error)
	// Checkpoint makes the open engine save its state, as far as it does that apart
	// from acknowledging.
	Checkpoint(context.Context) error
	// Crash ends the open engine as a power failure would: it writes nothing more,
	// and what it has not made durable is lost.
	Crash()
	// Fail makes the storage operation after the next n fail, once. A negative n
	// takes back what has not failed yet. Failed reports whether it has failed.
	Fail(n int)
	Failed() bool
	// Check reports what went wrong inside of the open engine, though it may go on.
	Check() error
	// Delete removes the hub, which is not open. It may not be there.
	Delete() error
}

// New makes the storage of a new hub. The test owns it: resources are released
// by its Cleanup.
type New func(*testing.T) Storage

// Gauge is a Storage whose engine tells how much memory instances take. The
// scenarios about that run only for one.
type Gauge interface {
	// Held is how many bytes instances and their messages take.
	Held() int64
}

// Suite is a way to run the conformance tests.
type Suite struct {
	New New
	// Groups are the groups of scenarios to run; nil: all.
	Groups []string
	// Light leaves out scenarios that are only about amounts.
	Light bool
	// Unordered leaves out what relies on causal delivery: an engine may keep that
	// only as long as its partitions are in one place.
	Unordered bool
	// Worker adapts the options of every worker.
	Worker func(*worker.Options)

	histories recorded // where to note them; nil: nowhere
}

// Run runs all scenarios with an engine.
func Run(t *testing.T, newStorage New) { Suite{New: newStorage}.Run(t) }

// Run runs the scenarios.
func (s Suite) Run(t *testing.T) {
	for _, g := range groups {
		if s.Groups != nil && !slices.Contains(s.Groups, g.name) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.scenarios {
				if s.Light && c.heavy || s.Unordered && c.causal || c.memory && !s.gauges(t) {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					s.play(t, c)
				})
			}
		})
	}
}

func (s Suite) gauges(t *testing.T) bool {
	_, ok := s.New(t).(Gauge)
	return ok
}

// scenario is one test. Its function gets a hub of its own, unless opens is set:
// then it opens what it needs itself.
type scenario struct {
	name   string
	run    func(*scene)
	opts   Options
	opens  bool // the hub is not opened
	evict  bool // no live copies are kept between steps
	heavy  bool // about amounts: left out by Suite.Light
	memory bool // needs a Gauge
	causal bool // left out by Suite.Unordered
}

type group struct {
	name      string
	scenarios []scenario
}

var groups = []group{
	{"Orchestrations", orchestrations},
	{"Queries", queries},
	{"Recovery", recovery},
	{"Faults", faults},
	{"Load", load},
	{"Lifecycle", lifecycle},
	{"Entities", entities},
	{"Rewind", rewinds},
	{"Payloads", payloads},
	{"Control", control},
	{"Versions", versions},
	{"Crashes", crashes},
}

// play runs a scenario in storage of its own.
func (s Suite) play(t *testing.T, c scenario) {
	h := newHub(t, s, c.opts)
	h.evict = c.evict
	sc := &scene{T: t, hub: h, ctx: timely(t), prefix: strings.ToLower(strings.SplitN(c.name, "_", 2)[0]) + "-"}
	if !c.opens {
		h.open()
		h.serve()
	}
	c.run(sc)
	if h.engine != nil {
		if s.histories != nil {
			sc.record(s.histories)
		}
		sc.purgeAll()
		h.close()
	}
}

// patience bounds each scenario in real time.
const patience = 2 * time.Minute

func timely(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
