package pebblestore

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler lets one compaction of a database run at a time, and none before the
// store is open. Pebble's own lets them begin while the database is being opened,
// and opening waits for their end: up to a second when level 0 is due, as it often
// is after a crash. Locks of Pebble come before mu.
type scheduler struct {
	db    pebble.DBForCompaction
	pause func(time.Duration) bool // false if the store is being closed meanwhile

	mu       sync.Mutex
	started  bool
	busy     bool // a compaction runs, or is being chosen
	choosing bool
	refused  bool // a compaction was refused while one was being chosen
	chosen   sync.Cond

	resting   bool     // after damage, no compaction begins for a while
	next      *meeting // when a compaction meets damage
	hasFailed bool     // one has
	unmended  error    // of the last one that did, if none has succeeded since
	failures  int      // how many have, since then
	hopeless  bool     // none will succeed
}

var _ pebble.CompactionScheduler = (*scheduler)(nil)

func newScheduler(pause func(time.Duration) bool) *scheduler {
	s := &scheduler{pause: pause, next: &meeting{met: make(chan struct{})}}
	s.chosen.L = &s.mu
	return s
}

// Register implements pebble.CompactionScheduler.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// start lets compactions begin. The database is open.
func (s *scheduler) start() {
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
	s.choose()
}

// Unregister implements pebble.CompactionScheduler: no other compaction begins.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false
	for s.choosing {
		s.chosen.Wait()
	}
}

// TrySchedule implements pebble.CompactionScheduler. Pebble remembers a
// compaction that is refused, and choose asks for it.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.busy || s.resting {
		s.refused = true
		return false, nil
	}
	s.busy = true
	return true, s
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler: what
// is allowed never changes.
func (s *scheduler) UpdateGetAllowedWithoutPermission() {}

// choose lets the compaction begin that the database has waited with, if any.
// Nothing of Pebble's is locked.
func (s *scheduler) choose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chooseLocked()
}

// chooseLocked is choose with s.mu held, which it lets go meanwhile.
func (s *scheduler) chooseLocked() {
	for s.started && !s.busy && !s.resting && !s.choosing {
		s.busy, s.choosing, s.refused = true, true, false
		s.mu.Unlock()
		waiting, _ := s.db.GetWaitingCompaction()
		begun := waiting && s.db.Schedule(s)
		s.mu.Lock()
		s.choosing = false
		s.chosen.Broadcast()
		if begun {
			continue // it may have ended meanwhile
		}
		if s.busy = false; !s.refused {
			return
		}
	}
}

// state is whether a compaction runs, and whether one was refused meanwhile.
func (s *scheduler) state() (running, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, s.refused
}

// Started implements pebble.CompactionGrantHandle.
func (s *scheduler) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle: a compaction has ended.
func (s *scheduler) Done() {
	s.mu.Lock()
	s.busy = false
	s.mu.Unlock()
	s.choose()
}
