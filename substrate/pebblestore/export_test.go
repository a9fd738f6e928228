package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Die ends the store without writing anything more, as after a crash of its
// process, except that Pebble's goroutines are still there.
func (s *Store) Die() {
	s.die(errors.New("test: the process is gone"))
}

// RaiseVersion makes the store look as if a newer program had written it.
func (s *Store) RaiseVersion() error {
	b := new(pebble.Batch)
	if err := b.Set(versionKey, []byte{0, layoutVersion + 1}, nil); err != nil {
		return err
	}
	return s.change(s.main, &s.mainCount, b)
}

// HoldCompactions lets no compaction begin until the store is opened again.
func (s *Store) HoldCompactions() {
	for _, c := range s.schedulers {
		c.Unregister()
	}
}

// Compactions counts those that have ended.
func (s *Store) Compactions() int64 {
	return s.main.Metrics().Compact.Count
}

// FailedCompactions counts those of Main that have met damage since the last one that
// did not.
func (s *Store) FailedCompactions() int {
	c := s.schedulerOf(s.main)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures
}

// MetDamage reports whether a compaction of Main has met damage.
func (s *Store) MetDamage() bool { return s.schedulerOf(s.main).hasMet() }

// GivenUpDuringARest reports whether the compactions of a database are given up by who
// looks while the scheduler rests after the first one that has met damage.
func GivenUpDuringARest() bool {
	never := make(chan struct{})
	defer close(never)
	s := newScheduler(func(time.Duration) bool { <-never; return false })
	s.started = true
	s.ended(pebble.ErrCorruption)
	return s.giveUp(true) != nil
}

// EndedByDamage is why a compaction ends that is asked for after others have met damage,
// when one meets more.
func EndedByDamage(before, meanwhile string) error {
	s := newScheduler(func(time.Duration) bool { return false })
	meets := func(damage string) { s.ended(fmt.Errorf("%s: %w", damage, pebble.ErrCorruption)) }
	meets(before)
	ctx, cancel := s.untilDamage(context.Background())
	defer cancel()
	meets(meanwhile)
	<-ctx.Done()
	return context.Cause(ctx)
}

// Pauses counts the rests where Pebble reports background work that failed.
func (s *Store) Pauses() int64 { return s.rests.Load() }

// Progress gets a token at the end of flushes and compactions.
func (s *Store) Progress() <-chan struct{} { return s.progress }

// Reclaim compacts what is worth it at once, as it is done when the store is quiet.
func (s *Store) Reclaim() error {
	_, err := s.reclaim(context.Background())
	return err
}

// RewriteMain compacts all of Main, as what is garbage is.
func (s *Store) RewriteMain() error {
	_, err := s.rewrite(context.Background(), s.main, run{keyRange: keyRange{low: []byte{0}}})
	return err
}

// AwaitPostponed waits until it was put off because somebody was reading.
func (s *Store) AwaitPostponed() {
	for s.reclaims.postponed.Load() == 0 {
		runtime.Gosched()
	}
}

// ReclaimSoon lets that begin after the store was quiet for so long.
func (s *Store) ReclaimSoon(after time.Duration) { s.reclaims.after = after }

// ClosingWaits reports whether Close waits for calls that are under way.
func (s *Store) ClosingWaits() bool {
	if s.life.TryRLock() {
		s.life.RUnlock()
		return false
	}
	return true
}

// MainFill is an upper bound of what Main's memtable holds.
func (s *Store) MainFill() uint64 {
	s.apply.Lock()
	defer s.apply.Unlock()
	return s.mainFill
}

// MainMemtables counts the memtable and those that are to be flushed.
func (s *Store) MainMemtables() int64 { return s.main.Metrics().MemTable.Count }
