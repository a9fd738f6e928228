package pebblestore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A compaction that reads a damaged block fails, and so does every other one of the
// same tables: Pebble begins it anew without end. Layers of level 0 are then no longer
// merged, until there are so many that Pebble lets nobody write, for ever. Before it
// comes to that, whoever wants to write is told of the damage.

// damageRest lies between a compaction that has met damage and the next one of its
// database. It is the scheduler that rests: Pebble reports the failure with a lock held
// that every read needs.
const damageRest = time.Second

// maxFailures is how many compactions in a row meet damage before no other one is waited
// for. Pebble picks one that leaves out what has failed, for a while: with damage in two
// places the third may succeed.
const maxFailures = 4

// meeting is the next time that a compaction meets damage.
type meeting struct {
	met    chan struct{} // closed then
	damage error         // set before
}

// ended takes in how a compaction has ended. After one that has succeeded others may,
// as well.
func (s *scheduler) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.unmended, s.failures, s.hopeless = nil, 0, false
	case pebble.IsCorruptionError(err):
		s.unmended, s.hasFailed = err, true
		s.failures++
		s.next.damage = err
		close(s.next.met)
		s.next = &meeting{met: make(chan struct{})}
		s.rest()
	}
}

// rest lets no compaction begin for a while. s.mu is held.
func (s *scheduler) rest() {
	if s.resting {
		return
	}
	s.resting = true
	go func() {
		if !s.pause(damageRest) {
			return // no other one is to begin
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.resting = false
		s.chooseLocked() // at once: who looks now is to find that one begins
	}()
}

// rests reports whether an error is of the compaction after which this rests.
func (s *scheduler) rests(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unmended != nil && errors.Is(err, s.unmended)
}

// hasMet reports whether a compaction has ever met damage.
func (s *scheduler) hasMet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasFailed
}

// hasStarted reports whether compactions may begin.
func (s *scheduler) hasStarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// untilDamage returns a context that ends when a compaction meets damage, with that as its
// cause: one that was asked for would wait for ever for its turn, since Pebble tries those
// that are due before. What was met earlier does not count: no other may be due.
func (s *scheduler) untilDamage(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	go func() {
		select {
		case <-next.met:
			cancel(next.damage)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// giveUp returns the damage that compactions have met since the last one that succeeded,
// if no other one is going to: too many in a row have failed, or somebody has looked and
// none has begun, though it was asked for and nothing rests. What was given up stays so.
func (s *scheduler) giveUp(looked bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unmended == nil {
		return nil
	}
	if looked && !s.busy && !s.resting || s.failures >= maxFailures {
		s.hopeless = true
	}
	if !s.hopeless {
		return nil
	}
	return s.unmended
}

// schedulerOf is the scheduler of a database.
func (s *Store) schedulerOf(db *pebble.DB) *scheduler {
	for _, c := range s.schedulers {
		if c.db == pebble.DBForCompaction(db) {
			return c
		}
	}
	return nil
}

// stuck returns the damage for which a database is not ready, and never will be.
func (s *Store) stuck(db *pebble.DB, looked bool) error {
	if !s.blocked(db, db.Metrics().Levels[0].Sublevels) {
		return nil
	}
	if err := s.schedulerOf(db).giveUp(looked); err != nil {
		return s.explain(err)
	}
	return nil
}

// blocked reports whether there are too many layers, with damage in the way of who
// would merge them, or so many that Pebble would hold the next flush but one. Those that
// lie over one key are counted, as Pebble does.
func (s *Store) blocked(db *pebble.DB, layers int32) bool {
	c, limit := s.schedulerOf(db), int32(stopLayers-1)
	if c.hasMet() {
		limit = maxLayers
	}
	return layers >= limit && (c.hasMet() || c.hasStarted()) && int32(depth(db)) >= limit
}

// depth is how many tables of level 0 lie over one key, at most.
func depth(db *pebble.DB) int {
	levels, err := db.SSTables()
	if err != nil {
		return 0 // it is asked for nothing that could fail
	}
	var begin, end [][]byte
	for _, t := range levels[0] {
		begin, end = append(begin, t.Smallest.UserKey), append(end, t.Largest.UserKey)
	}
	compare := pebble.DefaultComparer.Compare
	slices.SortFunc(begin, compare)
	slices.SortFunc(end, compare)
	deepest, over := 0, 0
	for i, at := range begin { // where most lie over each other, one of them begins
		for compare(end[over], at) < 0 {
			over++
		}
		deepest = max(deepest, i+1-over)
	}
	return deepest
}
