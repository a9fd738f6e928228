package pebblestore

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What is deleted stays on disk until a compaction comes to it. Pebble's own begin
// when rows are added; a store from which much was purged, and which is quiet since,
// would keep its size. So, when it has been quiet for a while, parts are compacted
// that are garbage by a quarter and more.
const (
	// reclaimAfter is for how long nothing was flushed when that begins.
	reclaimAfter = 5 * time.Second
	// reclaimLeast is with how much garbage: so much may stay for good.
	reclaimLeast = 1 << 20
	// drawEvery is after how many flushes the parts of ledgers are drawn anew.
	drawEvery = 16
	// reclaimRest lies between two parts.
	reclaimRest = 50 * time.Millisecond
)

// reclaimer compacts what is garbage.
type reclaimer struct {
	main, history ledger
	after         time.Duration

	flushed   chan struct{} // there was a flush
	postponed atomic.Int64  // times that somebody was reading

	mu     sync.Mutex
	closed bool
	stop   context.CancelFunc // of the goroutine that waits and compacts; nil if there is none
	ended  chan struct{}
}

// noteDeletes notes the rows that a batch has deleted from Main.
func (s *Store) noteDeletes(b *batch) {
	if b.mainDeletes == 0 {
		return
	}
	r := b.main.Reader()
	s.reclaims.main.addRows(func() ([]byte, bool) {
		for {
			kind, key, _, ok, err := r.Next()
			if !ok || err != nil {
				return nil, false
			}
			if kind == pebble.InternalKeyKindDelete || kind == pebble.InternalKeyKindRangeDelete {
				return key, true
			}
		}
	})
}

// blockBytes is by how much Pebble guesses the size of some rows too high: half a
// block of History at either end.
const blockBytes = 32 << 10

// noteRanges notes what will be deleted from History. Ranges that touch are one.
func (s *Store) noteRanges(deleted ranges) {
	if len(deleted) == 0 {
		return
	}
	_ = s.guard(func() error { // whoever reads there says what is wrong
		for _, r := range deleted {
			n, err := s.history.EstimateDiskUsage(r.low, r.high)
			if err != nil {
				return err
			}
			s.reclaims.history.addBytes(r, max(int64(n)-blockBytes, int64(n)/8))
		}
		return nil
	})
}

// draw takes in which tables there are.
func (s *Store) draw() {
	for _, d := range s.ledgers() {
		if tables, err := d.db.SSTables(); err == nil {
			d.ledger.draw(tables)
		}
	}
}

// reclaimable is a database and its ledger.
type reclaimable struct {
	db     *pebble.DB
	ledger *ledger
}

// ledgers lists both databases, History first.
func (s *Store) ledgers() [2]reclaimable {
	return [2]reclaimable{{s.history, &s.reclaims.history}, {s.main, &s.reclaims.main}}
}

// garbage is how much garbage there is in both databases.
func (s *Store) garbage() int64 { return s.reclaims.main.garbage() + s.reclaims.history.garbage() }

// reclaimLater has garbage compacted, if there is enough, when nothing has been
// flushed for a while.
func (s *Store) reclaimLater() {
	r := &s.reclaims
	if s.flushes.Load()%drawEvery == 0 || r.main.stale() || r.history.stale() {
		s.draw()
	}
	if s.garbage() < reclaimLeast {
		return
	}
	notify(r.flushed)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		defer cancel()
		for {
			again := s.reclaimWhenQuiet(ctx)
			r.mu.Lock()
			if ctx.Err() != nil || !again && len(r.flushed) == 0 {
				r.stop = nil
				r.mu.Unlock()
				return
			}
			r.mu.Unlock()
		}
	}()
}

// reclaimWhenQuiet waits until nothing was flushed for a while, and compacts. It
// reports whether something was put off because somebody was reading.
func (s *Store) reclaimWhenQuiet(ctx context.Context) (again bool) {
	for {
		quiet := time.NewTimer(s.reclaims.after)
		select {
		case <-s.reclaims.flushed:
			quiet.Stop()
			continue
		case <-ctx.Done():
		case <-quiet.C:
			var err error
			if again, err = s.reclaim(ctx); err != nil && ctx.Err() == nil {
				s.opts.Logger.Warn("state store: the space of what was deleted is not given back, it is tried again later", "dir", s.opts.Dir, "err", err)
			}
		}
		quiet.Stop()
		return again
	}
}

// endReclaim ends what is under way, for good.
func (s *Store) endReclaim() {
	r := &s.reclaims
	r.mu.Lock()
	r.closed = true
	stop, ended := r.stop, r.ended
	r.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// progress is how far a rewrite has come.
type progress uint8

const (
	finished progress = iota
	brokenOff
	postponed // somebody reads what was deleted meanwhile
)

// reclaim compacts what is worth it. It reports whether to come back since somebody
// was reading.
func (s *Store) reclaim(ctx context.Context) (again bool, err error) {
	if err := s.enter(); err != nil {
		return false, nil // it is over
	}
	s.draw()
	s.leave()
	for _, d := range s.ledgers() {
		if p, err := s.reclaimIn(ctx, d); err != nil || p != finished {
			return p == postponed, err
		}
	}
	return false, nil
}

// reclaimIn compacts what is worth it in one database, unless it is too little.
func (s *Store) reclaimIn(ctx context.Context, d reclaimable) (progress, error) {
	runs := d.ledger.worth()
	var freed, rewritten int64
	for i := range runs {
		freed, rewritten = freed+runs[i].garbage, rewritten+runs[i].bytes-runs[i].garbage
	}
	if freed < reclaimLeast/4 {
		return finished, nil
	}
	for i := range runs {
		if p, err := s.rewrite(ctx, d.db, runs[i]); err != nil || p != finished {
			return p, err
		}
		d.ledger.rewritten(runs[i])
		if s.fence.pause(reclaimRest); ctx.Err() != nil {
			return brokenOff, nil
		}
	}
	s.opts.Logger.Info("state store: the space of what was deleted is given back", "dir", s.opts.Dir,
		"history", d.db == s.history, "bytes", freed, "rewritten", rewritten)
	return finished, nil
}

// rewrite compacts what lies between two keys. It is broken off if the store is no
// longer quiet.
func (s *Store) rewrite(ctx context.Context, db *pebble.DB, r run) (progress, error) {
	if err := s.enter(); err != nil {
		return brokenOff, nil // it is over
	}
	defer s.leave()
	if u, err := s.opts.FS.GetDiskUsage(s.opts.Dir); err == nil && int64(u.AvailBytes) < 4*maxRun {
		return brokenOff, nil // a compaction needs space first
	}
	if db.Metrics().Snapshots.Count > 0 {
		// A compaction keeps what a snapshot from before its deletion sees.
		s.reclaims.postponed.Add(1)
		return postponed, nil
	}
	if err := s.flush(); err != nil {
		return brokenOff, err
	}
	if db == s.main {
		// Pebble flushes what is in memory between the two keys, and the history that it
		// refers to might not be durable: nothing may be there.
		s.apply.Lock()
		defer s.apply.Unlock()
		if s.mainCount.dirty() {
			return brokenOff, nil
		}
	}
	high := r.high
	if len(high) == 0 {
		high = []byte{reserved, reserved}
	}
	ctx, cancel := s.schedulerOf(db).untilDamage(ctx)
	defer cancel()
	if err := s.guard(func() error { return db.Compact(ctx, r.low, high, false) }); err != nil {
		return brokenOff, fmt.Errorf("compact: %w", cmp.Or(s.explain(context.Cause(ctx)), err))
	}
	return finished, nil
}
