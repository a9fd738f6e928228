package netherite

import (
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// metrics counts since Open, over all incarnations.
type metrics struct {
	records       atomic.Int64
	replayed      atomic.Int64
	replayNanos   atomic.Int64
	recoveryNanos atomic.Int64
	refused       atomic.Int64
	turnedAway    atomic.Int64
	loads         atomic.Int64
	checkpoints   atomic.Int64
	caughtUp      atomic.Int64
	panics        atomic.Int64
	parked        atomic.Int64
	failures      atomic.Int64
	clockSteps    atomic.Int64
	retired       atomic.Int64
	offeredAgain  atomic.Int64

	// Of nodes that have failed; guarded by Engine.mu.
	pastLog     substrate.LogStats
	pastStore   substrate.StoreStats
	pastCommits int64
}

// outlive keeps what a failed node has counted.
func (m *metrics) outlive(n *node) {
	l, s := n.wal.Stats(), n.store.Stats()
	m.pastLog = addLog(m.pastLog, l)
	m.pastStore.AppliedBytes += s.AppliedBytes
	m.pastStore.WrittenBytes += s.WrittenBytes
	m.pastStore.Flushes += s.Flushes
	m.pastStore.Syncs += s.Syncs
	m.pastCommits += n.commit.stats.commits.Load()
}

func addLog(a, b substrate.LogStats) substrate.LogStats {
	return substrate.LogStats{
		Groups: a.Groups + b.Groups, Syncs: a.Syncs + b.Syncs, GroupBytes: a.GroupBytes + b.GroupBytes,
		DeviceBytes: a.DeviceBytes + b.DeviceBytes, Segments: a.Segments + b.Segments, SegmentsBegun: a.SegmentsBegun + b.SegmentsBegun,
		SyncNanos: a.SyncNanos + b.SyncNanos,
	}
}

// Stats counts what the engine has done since Open, and what it holds now.
type Stats struct {
	Records      int64         // appended to the log
	Commits      int64         // group commits
	Released     int64         // answers and messages that waited for one
	Loads        int64         // instances looked up in the store
	Checkpoints  int64         // of single partitions
	CaughtUp     int64         // complete checkpoints: the store held all that any partition had logged at the one before
	Refused      int64         // requests refused or answered as repetitions
	TurnedAway   int64         // requests refused for lack of memory or disk
	LogLow       bool          // the log's disk has little space: no new instances
	LogFull      bool          // what was appended last does not fit on the log's disk
	StoreFull    bool          // checkpoints do not fit on the store's disk
	Panics       int64         // of the core, each of which set something aside
	Parked       int64         // partitions that do not run
	Failures     int64         // of the log or the store, recovered from
	ClockSteps   int64         // times the wall clock was set
	Retired      int64         // ended instances purged by retention
	OfferedAgain int64         // activities whose worker was lost or gave them back: they may run twice
	RecoveryTime time.Duration // of the last recovery
	Replayed     int64         // records
	ReplayTime   time.Duration // of them, in the last recovery
	StateBytes   int64         // of all partitions in memory
	BacklogBytes int64         // appended and not durable
	Steps        int64         // orchestration and entity items with workers
	Activities   int64         // with workers
	Log          substrate.LogStats
	Store        substrate.StoreStats
}

// ReplayRate is the speed of the last recovery, in records a second.
func (s Stats) ReplayRate() float64 {
	if s.ReplayTime <= 0 {
		return 0
	}
	return float64(s.Replayed) / s.ReplayTime.Seconds()
}

// Stats returns the current counts.
func (e *Engine) Stats() Stats {
	m := &e.metrics
	s := Stats{
		Records: m.records.Load(), Loads: m.loads.Load(), Checkpoints: m.checkpoints.Load(), Refused: m.refused.Load(),
		TurnedAway: m.turnedAway.Load(), Panics: m.panics.Load(), Parked: m.parked.Load(), Failures: m.failures.Load(),
		ClockSteps: m.clockSteps.Load(), Retired: m.retired.Load(), OfferedAgain: m.offeredAgain.Load(), Replayed: m.replayed.Load(),
		CaughtUp:     m.caughtUp.Load(),
		RecoveryTime: time.Duration(m.recoveryNanos.Load()), ReplayTime: time.Duration(m.replayNanos.Load()),
	}
	e.mu.Lock()
	n := e.current
	s.Log, s.Store, s.Commits = m.pastLog, m.pastStore, m.pastCommits
	e.mu.Unlock()
	if n != nil {
		s.Released = n.commit.stats.released.Load()
		s.Commits += n.commit.stats.commits.Load()
		s.StateBytes, s.BacklogBytes = n.used.Load(), n.commit.backlog.Load()
		s.Steps, s.Activities = n.steps.Load(), n.tasks.Load()
		s.LogLow, s.LogFull, s.StoreFull = n.wal.LowOnSpace(), n.commit.full.is(), n.keeper.full.is()
		store := n.store.Stats()
		s.Log = addLog(s.Log, n.wal.Stats())
		s.Store = substrate.StoreStats{
			AppliedBytes: s.Store.AppliedBytes + store.AppliedBytes, WrittenBytes: s.Store.WrittenBytes + store.WrittenBytes,
			Flushes: s.Store.Flushes + store.Flushes, Syncs: s.Store.Syncs + store.Syncs,
			DiskBytes: store.DiskBytes, MemoryBytes: store.MemoryBytes,
		}
	}
	return s
}

// Working reports whether anything goes on that needs no time to pass: input of
// partitions, steps with workers, a commit. Activities are counted apart. It is
// for tests and simulations that move the clock.
func (e *Engine) Working() (working bool, activities int) {
	e.mu.Lock()
	n := e.current
	e.mu.Unlock()
	if n == nil {
		return true, 0
	}
	// In this order: work goes from activities to partitions to workers, and what
	// is counted first must not be missed because it has moved on.
	activities = int(n.tasks.Load())
	working = n.busy.Load() > 0 || n.steps.Load() > 0 || n.commit.busy() || n.busy.Load() > 0
	return working, activities
}

// Partitions is the number of partitions that the hub was created with.
func (e *Engine) Partitions() int { return e.params.Partitions }
