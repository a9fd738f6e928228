package netherite

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/replaycheck"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// Limits of a hub's fixed parameters.
const (
	MinPartitions     = 1
	MaxPartitions     = 256
	DefaultPartitions = 8
)

// Defaults of Options.
const (
	DefaultMemory            = 128 << 20
	DefaultMaxPayload        = 2 << 20
	DefaultMaxHistoryEvents  = 50_000
	DefaultMaxHistoryBytes   = 50 << 20
	DefaultRetention         = 30 * 24 * time.Hour
	DefaultCheckpointBytes   = 64 << 20
	DefaultCheckpointRecords = 300_000
	DefaultCheckpointIdle    = 5 * time.Second
	DefaultGather            = 100 * time.Microsecond

	defaultOrchestrations = 64
	defaultEntities       = 64
	defaultActivities     = 1_000
)

// Release says when effects leave a partition. It is not recorded: a hub may be
// reopened with another.
type Release uint8

const (
	// ReleaseNode lets messages and work items go as soon as their records have
	// a place in the node's log, ahead of its sync. Answers wait for the sync.
	ReleaseNode Release = iota
	// ReleasePartition lets work items go at once and everything that leaves the
	// partition only when durable (the pipelining of the Netherite paper).
	ReleasePartition
	// ReleaseConservative lets everything go only when durable.
	ReleaseConservative
)

// ParseRelease is the inverse of String.
func ParseRelease(name string) (Release, error) {
	for r := ReleaseNode; r <= ReleaseConservative; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown release level %q: want node, partition or conservative", name)
}

// String returns "node", "partition" or "conservative".
func (r Release) String() string { return [...]string{"node", "partition", "conservative"}[r] }

// Storage is where a hub lives: its identity and the substrates that hold its
// data. OpenLog and then OpenStore are called once per incarnation, always after
// what they returned before has been closed. To open the log fences those off who
// have the hub open all the same: where there may be any, a store that writes in
// the background asks the Owned of the log before.
type Storage interface {
	// Parameters are those the hub was created with.
	Parameters() Parameters
	OpenLog() (substrate.Log, error)
	// OpenStore opens the state store with a bound on its memory in bytes.
	OpenStore(memory int64) (substrate.Store, error)
	// Close releases whatever Storage holds itself, such as a directory lock.
	Close() error
}

// Parameters are fixed when a hub is created.
type Parameters struct {
	Hub        [16]byte // identity
	Partitions int
	Place      string // names the hub's directory in messages; empty if there is none
}

// Checkpoint says when partitions write their changes to the store. They take
// turns over half the distance, so that all have ended at the whole.
type Checkpoint struct {
	// Bytes and Records bound the part of the log that recovery replays.
	Bytes   int64
	Records int64
	// Idle is how long after its last activity the hub writes what is left.
	Idle time.Duration
}

// reached is which part of the distance so many bytes and records are.
func (c *Checkpoint) reached(bytes, records int64) float64 {
	return max(float64(bytes)/float64(c.Bytes), float64(records)/float64(c.Records))
}

// Options configure Open. Zero fields take the documented defaults; Storage is
// required.
type Options struct {
	Storage Storage
	Clock   substrate.Clock // default: the system's
	Logger  *slog.Logger    // default: slog.Default()
	Random  io.Reader       // source of session IDs; default crypto/rand

	Release Release
	// Memory bounds, in bytes, what the hub keeps: instances, messages under
	// way, what waits for its commit, and the store. Default 128 MiB.
	Memory int64
	// MaxPayload bounds one payload in bytes. Default 2 MiB.
	MaxPayload int
	// MaxHistoryEvents and MaxHistoryBytes bound the history of one execution: an
	// orchestration that has reached either fails with its next step. Default 50,000
	// and 50 MiB.
	MaxHistoryEvents int64
	MaxHistoryBytes  int64
	// Retention is how long ended orchestrations are kept that no rule is about;
	// negative for ever. Default 30 days. Of the rules the first that fits an
	// orchestration counts.
	Retention      time.Duration
	RetentionRules []RetentionRule
	// RetentionRate is how many instances a second are purged at most when their
	// retention is over. Default 10,000.
	RetentionRate int
	Checkpoint    Checkpoint
	// Gather is how long a commit waits for work that is under way. Default 100
	// microseconds.
	Gather time.Duration
	// Limits are per worker connection for what the worker leaves open. Default
	// 64 orchestrations, 64 entities, 1,000 activities.
	Limits engine.Limits
	// MaxBatch and MaxEntityBatch bound the messages of one step; default 1,000.
	MaxBatch       int
	MaxEntityBatch int
	// Transport connects the partitions; default is within the process.
	Transport NewTransport
	// Resend is how long a partition waits for an acknowledgement before it asks
	// what arrived. Default never within the process, which loses nothing.
	Resend time.Duration
	// Backoff lists the delays before the attempts to recover from a failed log
	// or store; the last repeats. Default 0, 1 s, 5 s, 15 s.
	Backoff []time.Duration
	// park, in stepped mode, suspends the caller until ready says so; see Stepped.
	park func(ready func() bool)
	// keeperTick is how often checkpoints are considered; tests shorten it.
	keeperTick time.Duration
	// fullPause is how long the committer waits on a full disk; tests shorten it.
	fullPause time.Duration
	// maxRecord is the largest record in bytes; only tests lower it.
	maxRecord int
	// window bounds the unacknowledged bytes of each pair of partitions; 0: by the
	// memory.
	window int64
	// beforeStep, for tests, is called with every admitted event.
	beforeStep func(partition int, ev partition.Event)
	// beforeMessage, for tests, is called with what is applied under a record beside
	// its own event: what follows from it, and what a retry applies.
	beforeMessage func(partition int, m *model.Message)
	// CheckReplay rebuilds, for each record, the touched instances from their
	// encodings, applies the decoded record, and compares. It multiplies the
	// cost of everything and is meant for tests, which may turn it on for a whole
	// process (internal/replaycheck). What is evicted stays in the copy, and is
	// compared when it is loaded again. A difference panics.
	CheckReplay bool
	// EvictAlways writes and evicts after every batch whatever can be, so that
	// every step begins with loading. It is slow and meant for tests.
	EvictAlways bool
}

// withDefaults fills in and checks the options.
func (o Options) withDefaults() (Options, error) {
	if o.Storage == nil {
		return o, fmt.Errorf("open hub: %w: no storage given", engine.ErrInvalid)
	}
	if p := o.Storage.Parameters().Partitions; p < MinPartitions || p > MaxPartitions {
		return o, fmt.Errorf("open hub: %w: %d partitions, want %d to %d", engine.ErrInvalid, p, MinPartitions, MaxPartitions)
	}
	if o.RetentionRate < 0 {
		return o, fmt.Errorf("open hub: %w: %d instances a second purged by retention, want a positive number, or zero for the default", engine.ErrInvalid, o.RetentionRate)
	}
	for i := range o.RetentionRules {
		if err := o.RetentionRules[i].check(); err != nil {
			return o, fmt.Errorf("open hub: %w", err)
		}
	}
	if o.Clock == nil {
		o.Clock = sysclock.New()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Transport == nil {
		o.Transport = inProcess
	}
	if o.Backoff == nil {
		o.Backoff = []time.Duration{0, time.Second, 5 * time.Second, 15 * time.Second}
	}
	orDefault(&o.Memory, DefaultMemory)
	if !o.CheckReplay && replaycheck.On() && o.Memory == DefaultMemory {
		o.CheckReplay = true
		o.Logger.Info("the replay checker is on, as in tests: a copy of all is kept in memory, and everything takes longer")
	}
	orDefault(&o.MaxPayload, DefaultMaxPayload)
	orDefault(&o.MaxHistoryEvents, DefaultMaxHistoryEvents)
	orDefault(&o.MaxHistoryBytes, DefaultMaxHistoryBytes)
	orDefault(&o.Retention, DefaultRetention)
	orDefault(&o.keeperTick, keeperTick)
	orDefault(&o.fullPause, diskFullPause)
	orDefault(&o.maxRecord, maxRecordBytes)
	orDefault(&o.Gather, DefaultGather)
	orDefault(&o.Checkpoint.Bytes, DefaultCheckpointBytes)
	orDefault(&o.Checkpoint.Records, DefaultCheckpointRecords)
	orDefault(&o.Checkpoint.Idle, DefaultCheckpointIdle)
	orDefault(&o.Limits.Orchestrations, defaultOrchestrations)
	orDefault(&o.Limits.Entities, defaultEntities)
	orDefault(&o.Limits.Activities, defaultActivities)
	return o, nil
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
