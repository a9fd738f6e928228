package netherite

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/spans"
)

// Option changes how Open opens a hub.
type Option func(*settings)

type settings struct {
	engine     core.Options
	worker     worker.Options
	serves     bool // code was given
	partitions int
	mustExist  bool
	volatile   bool
	storage    core.Storage
	fs         vfs.FS
	segments   [2]int64 // bytes of the log's first and largest segment
	ballast    int64    // bytes; negative for none
	meter      metric.MeterProvider
	meterAttrs []attribute.KeyValue
	wrong      error // of an option that could not be applied

	elsewhere     []any // see ForElsewhere
	elsewhereOnly bool
}

// Serve gives the hub its code: all that Open has to run work with. It may be
// given several times. Without it the hub accepts requests and runs nothing.
func Serve(handlers ...durable.Handler) Option {
	return func(s *settings) {
		s.serves = true
		s.worker.Handlers = append(s.worker.Handlers, handlers...)
	}
}

// Partitions sets the number of partitions of a new hub, 1 to 256, default 8, which is
// what zero leaves. It cannot be changed later: to open an existing hub with another number is an
// error.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// MustExist makes Open fail with engine.ErrForeign rather than create a hub.
func MustExist() Option { return func(s *settings) { s.mustExist = true } }

// InMemory keeps the hub in memory: nothing is written and the directory is
// ignored. All is gone when it is closed.
func InMemory() Option { return func(s *settings) { s.volatile = true } }

// Storage keeps the hub in the given storage instead of a directory, which is
// ignored. It is for tests and for substrates of one's own.
func Storage(st core.Storage) Option { return func(s *settings) { s.storage = st } }

// Files puts the hub's directory on another file system than the operating
// system's, for tests. It is not locked against other processes there.
func Files(fs vfs.FS) Option { return func(s *settings) { s.fs = fs } }

// LogSegments sets the size in bytes of the commit log's first file, and of its
// largest: each is twice as large as the one before. Default 1 MiB and 32 MiB, at
// least 4 KiB. Whole files are what the log gives back after a checkpoint. It may
// differ from one Open to the next; zero leaves a default.
func LogSegments(first, largest int64) Option {
	return func(s *settings) { s.segments = [2]int64{first, largest} }
}

// Ballast sets how many bytes of disk the hub sets aside to finish what is under
// way when the disk is full. Default 16 MiB; negative is none, zero leaves the
// default.
func Ballast(bytes int64) Option { return func(s *settings) { s.ballast = bytes } }

// Memory bounds, in bytes, what the hub keeps in memory: instances with their
// inboxes and histories, live coroutines, payloads under way, and the store.
// Default 128 MiB, at least 16 MiB. Above it, requests are refused with
// engine.ErrBusy until there is room. The garbage collector lets a program take
// about twice what it keeps: with the collector's default settings, which the hub
// does not touch, expect a process that does little else to stay below three
// times this limit.
func Memory(bytes int64) Option { return func(s *settings) { s.engine.Memory = bytes } }

// Retention is how long ended orchestrations are kept before they are purged.
// Default 30 days; negative keeps them for ever.
func Retention(d time.Duration) Option { return func(s *settings) { s.engine.Retention = d } }

// RetentionRule says how long some of the orchestrations that have ended are kept,
// by their names and by how they ended.
type RetentionRule = core.RetentionRule

// RetentionRules say how long ended orchestrations are kept. The first that fits
// one counts; Retention is for those that none fits.
func RetentionRules(rules ...RetentionRule) Option {
	return func(s *settings) { s.engine.RetentionRules = append(s.engine.RetentionRules, rules...) }
}

// RetentionRate bounds how many instances a second are purged when their retention
// is over, so that the work for clients goes on meanwhile. Default 10,000; zero
// leaves it.
func RetentionRate(perSecond int) Option {
	return func(s *settings) { s.engine.RetentionRate = perSecond }
}

// ReleaseLevel says when effects leave a partition. Default ReleaseNode. It may
// differ from one Open to the next.
func ReleaseLevel(r Release) Option { return func(s *settings) { s.engine.Release = r } }

// CheckpointEvery bounds the part of the log that a restart replays, in bytes
// and in records. Default 64 MiB and 300,000; zero leaves a default.
func CheckpointEvery(bytes, records int64) Option {
	return func(s *settings) { s.engine.Checkpoint.Bytes, s.engine.Checkpoint.Records = bytes, records }
}

// PayloadLimit bounds one payload, in bytes: an input, result, event, status or
// entity state. Default 2 MiB, at most 16 MiB.
func PayloadLimit(bytes int) Option {
	return func(s *settings) { s.engine.MaxPayload, s.worker.PayloadLimit = bytes, bytes }
}

// HistoryLimit bounds the history of one execution of an orchestration, in events and
// in bytes. One that has reached either fails with its next step: continue as new
// before that. Zero leaves a default: 50,000 events, 50 MiB.
func HistoryLimit(events, bytes int64) Option {
	return func(s *settings) { s.engine.MaxHistoryEvents, s.engine.MaxHistoryBytes = events, bytes }
}

// Concurrency bounds what runs at a time: steps of orchestrations and entities
// that compute (default twice the processors), and activities (default 1,000).
// Zero leaves a default.
func Concurrency(steps, activities int) Option {
	return func(s *settings) { s.worker.Steps, s.worker.Activities = steps, activities }
}

// Worker changes the options of the hub's own worker beyond what the other
// options set, for example the bounds of its caches.
func Worker(change func(*worker.Options)) Option {
	return func(s *settings) {
		if change == nil {
			s.wrong = fmt.Errorf("%w: Worker was given no function", engine.ErrInvalid)
			return
		}
		change(&s.worker)
	}
}

// WithCodec turns values into payloads by c instead of JSON.
func WithCodec(c durable.Codec) Option { return func(s *settings) { s.worker.Codec = c } }

// Logger gets what the hub has to say. Default slog.Default().
func Logger(l *slog.Logger) Option {
	return func(s *settings) { s.engine.Logger, s.worker.Logger = l, l }
}

// Clock makes the hub live by another clock than the system's.
func Clock(c substrate.Clock) Option {
	return func(s *settings) { s.engine.Clock, s.worker.Clock = c, c }
}

// Meter reports the figures of Stats as OpenTelemetry metrics named "netherite.*",
// each with the given attributes: a program with several hubs tells them apart by
// these.
func Meter(p metric.MeterProvider, attrs ...attribute.KeyValue) Option {
	return func(s *settings) { s.meter, s.meterAttrs = p, attrs }
}

// Tracer makes OpenTelemetry spans of what the hub runs, in the traces of those
// who asked for it: of each execution of an orchestration, each attempt of an
// activity, whose context is in its span, each operation of an entity, and each
// start and signal by a client of this hub. See docs/observability.md, and SpanIDs
// for orchestrations that outlive the process.
func Tracer(p trace.TracerProvider) Option { return func(s *settings) { s.worker.Tracer = p } }

// SpanIDs returns an IDGenerator for the OpenTelemetry SDK's tracer provider. With
// it, the span of an orchestration that began before a restart has the ID that
// the spans of its activities name as their parent; without it, it has another ID
// and a link. For other spans it chooses IDs at random, as the SDK does itself.
func SpanIDs() spans.IDs { return spans.IDs{} }

// CheckReplay checks, for every record, that replaying it would lead to the same
// state, and panics otherwise. It is slow and meant for tests.
func CheckReplay() Option { return func(s *settings) { s.engine.CheckReplay = true } }

// Release says when effects leave a partition, see ReleaseLevel.
type Release = core.Release

// The release levels.
const (
	// ReleaseNode lets messages and work go on ahead of the disk; answers wait
	// for it. A crash undoes together whatever depends on each other.
	ReleaseNode = core.ReleaseNode
	// ReleasePartition lets only work of the same partition go ahead.
	ReleasePartition = core.ReleasePartition
	// ReleaseConservative lets nothing go ahead of the disk.
	ReleaseConservative = core.ReleaseConservative
)

// ParseRelease returns the release level named node, partition or conservative.
func ParseRelease(name string) (Release, error) { return core.ParseRelease(name) }

// minMemory is what the hub needs at least.
const minMemory = 16 << 20

// maxPayloadLimit is what a step's record can hold.
const maxPayloadLimit = 16 << 20

// check validates what can be said without looking at the directory.
func (s *settings) check() error {
	switch {
	case s.wrong != nil:
		return s.wrong
	case s.checkElsewhere() != nil:
		return s.checkElsewhere()
	case s.engine.Memory != 0 && s.engine.Memory < minMemory:
		return fmt.Errorf("%w: memory limit of %d bytes, at least %d are needed", engine.ErrInvalid, s.engine.Memory, minMemory)
	case s.engine.MaxPayload < 0 || s.engine.MaxPayload > maxPayloadLimit:
		return fmt.Errorf("%w: payload limit of %d bytes, want 1 to %d", engine.ErrInvalid, s.engine.MaxPayload, maxPayloadLimit)
	case s.engine.Release > core.ReleaseConservative:
		return fmt.Errorf("%w: release level %d, want ReleaseNode, ReleasePartition or ReleaseConservative", engine.ErrInvalid, s.engine.Release)
	case s.engine.Checkpoint.Bytes < 0 || s.engine.Checkpoint.Records < 0:
		return fmt.Errorf("%w: a checkpoint every %d bytes or %d records, want positive numbers, or zero for the default",
			engine.ErrInvalid, s.engine.Checkpoint.Bytes, s.engine.Checkpoint.Records)
	case s.segments[0] < 0 || s.segments[1] < 0 || s.segments[1] != 0 && s.segments[1] < s.segments[0]:
		return fmt.Errorf("%w: log files of %d to %d bytes, want positive numbers, the first not larger, or zero for the default",
			engine.ErrInvalid, s.segments[0], s.segments[1])
	case s.worker.Steps < 0 || s.worker.Activities < 0:
		return fmt.Errorf("%w: %d steps and %d activities at a time, want positive numbers, or zero for the default",
			engine.ErrInvalid, s.worker.Steps, s.worker.Activities)
	case s.partitions != 0 && (s.partitions < core.MinPartitions || s.partitions > core.MaxPartitions):
		return fmt.Errorf("%w: %d partitions, want %d to %d", engine.ErrInvalid, s.partitions, core.MinPartitions, core.MaxPartitions)
	}
	return nil
}
