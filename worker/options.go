package worker

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker/replay"
)

// Clock tells time. A substrate.Clock is one.
type Clock interface {
	// Wall returns the wall clock time.
	Wall() time.Time
	// Mono returns a time that never goes back.
	Mono() time.Duration
	// AfterFunc calls f once d has passed by Mono, from any goroutine; stop
	// prevents it if it has not begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// Options are the options of New. Zero fields take the defaults.
type Options struct {
	Handlers     []Handler
	Codec        Codec        // default: the language's own
	PayloadLimit int          // bytes of one payload, default DefaultPayloadLimit
	Logger       *slog.Logger // default: nothing is logged
	Clock        Clock        // required

	// Tracer makes the spans of what runs, see package spans. Default: none.
	Tracer trace.TracerProvider

	// How many items of each kind the worker has at a time: running or queued
	// for orchestrations and entities (default 4,096 and 1,024), running for
	// activities (default 1,000).
	Orchestrations int
	Entities       int
	Activities     int
	// QueuedActivities is how many more activities wait in the worker, so that a
	// slot that becomes free has one at once. Default 4,096.
	QueuedActivities int

	// Steps is how many steps compute at a time. Default: twice the processors.
	Steps int
	// SlowStep is after how long a computing step is reported. Default 2 s.
	SlowStep time.Duration

	// Stepped makes a worker without goroutines, for simulations: items run when
	// their owner calls RunStep or RunActivity.
	Stepped bool

	// CacheCount bounds the live copies of orchestrations, and those of entities,
	// between steps: default 100,000 each, negative none at all. CacheBytes bounds
	// their estimated memory, three quarters of it for orchestrations: default
	// 64 MiB.
	CacheCount int
	CacheBytes int64

	// MaxStepEvents and MaxStepBytes bound what one step commits. Only tests
	// lower them; the defaults are replay.MaxStepEvents and replay.MaxStepBytes.
	MaxStepEvents int
	MaxStepBytes  int
}

// withDefaults fills in zero fields.
func (o Options) withDefaults() (Options, error) {
	if o.Clock == nil {
		return o, errors.New("worker: Options.Clock is required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	orDefault(&o.PayloadLimit, DefaultPayloadLimit)
	orDefault(&o.Orchestrations, 4096)
	orDefault(&o.Entities, 1024)
	orDefault(&o.Activities, 1000)
	orDefault(&o.QueuedActivities, 4096)
	orDefault(&o.Steps, max(4, 2*runtime.GOMAXPROCS(0)))
	orDefault(&o.SlowStep, 2*time.Second)
	orDefault(&o.CacheCount, 100_000)
	orDefault(&o.CacheBytes, 64<<20)
	orDefault(&o.MaxStepEvents, replay.MaxStepEvents)
	orDefault(&o.MaxStepBytes, replay.MaxStepBytes)
	return o, nil
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// typicalLive is the memory of a small orchestration that is alive, with some room
// for those that wait for something beside.
const typicalLive = 14 << 10

// live is about how many orchestrations stay alive; 0, no limit to those at work,
// if none do: then there is nothing to be gained.
func (o *Options) live() int {
	if o.CacheCount < 0 {
		return 0
	}
	return max(1, min(o.CacheCount, int(liveBytes(o.CacheBytes)/typicalLive)))
}

func (o *Options) limits() engine.Limits {
	return engine.Limits{
		Orchestrations: o.Orchestrations, Activities: o.Activities + o.QueuedActivities, Entities: o.Entities,
		Live: o.live(),
	}
}
