package pebblestore

import (
	"context"
	"errors"
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

// ended takes in how a compaction has ended. After one that has succeeded others may,
// as well.
func (s *scheduler) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.unmended, s.failures, s.hopeless = nil, 0, false
	case pebble.IsCorruptionError(err):
		if s.unmended = err; !s.hasMet() {
			close(s.damaged)
		}
		s.failures++
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
		s.resting = false
		s.mu.Unlock()
		s.choose()
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
	select {
	case <-s.damaged:
		return true
	default:
		return false
	}
}

// hasStarted reports whether compactions may begin.
func (s *scheduler) hasStarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// errDamageMet ends a compaction that was asked for.
var errDamageMet = errors.New("other compactions have met damage")

// untilDamage returns a context that ends when a compaction meets damage: one that was
// asked for would wait for ever for its turn, since Pebble tries those that are due before.
func (s *scheduler) untilDamage(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.damaged:
			cancel(errDamageMet)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// giveUp returns the damage that compactions have met since the last one that succeeded,
// if no other one is going to: two in a row have failed, or one has and none has begun
// for one look of unstall. What was given up stays so.
func (s *scheduler) giveUp(looked bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unmended == nil || s.busy && !s.hopeless {
		return nil
	}
	if s.hopeless = s.hopeless || looked || s.failures > 1; !s.hopeless {
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
	if layers < maxLayers {
		return false
	}
	c, n := s.schedulerOf(db), depth(db)
	return n >= maxLayers && c.hasMet() || n >= stopLayers-1 && c.hasStarted()
}

// depth is how many tables of level 0 lie over one key, at most.
func depth(db *pebble.DB) int {
	levels, err := db.SSTables()
	if err != nil {
		return 0 // it is asked for nothing that could fail
	}
	deepest := 0
	for _, at := range levels[0] { // where most lie over each other, one of them begins
		n := 0
		for _, t := range levels[0] {
			if pebble.DefaultComparer.Compare(t.Smallest.UserKey, at.Smallest.UserKey) <= 0 &&
				pebble.DefaultComparer.Compare(at.Smallest.UserKey, t.Largest.UserKey) <= 0 {
				n++
			}
		}
		deepest = max(deepest, n)
	}
	return deepest
}
