package pebblestore

import (
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// Flush implements substrate.Store. ErrDiskFull means that it is not done; what
// was applied is still there, and a later Flush can succeed.
func (s *Store) Flush() error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("flush the store: %w", err)
	}
	defer s.leave()
	if err := s.flush(); err != nil {
		return fmt.Errorf("flush the store: %w", err)
	}
	s.restoreBallast()
	return nil
}

func (s *Store) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	// Most of the history without keeping batches out, the rest with.
	s.apply.Lock()
	err := s.noteInHistory()
	s.apply.Unlock()
	if err == nil {
		err = s.flushHistory()
	}
	if err != nil {
		return err
	}
	s.apply.Lock()
	f, err := s.flushMain()
	s.apply.Unlock()
	if err != nil {
		return err
	}
	return s.finish(f)
}

// mainFlush is a flush of Main under way, and the deletions from History that it
// makes final.
type mainFlush struct {
	flushed <-chan struct{} // nil if there was nothing to flush
	changes int64
	pending []noted
	note    substrate.Reach // of the log, that it makes durable
}

// flushMain starts the flush of Main; no batch is applied meanwhile.
func (s *Store) flushMain() (mainFlush, error) {
	if err := s.noteInHistory(); err != nil {
		return mainFlush{}, err
	}
	if err := s.flushHistory(); err != nil {
		return mainFlush{}, err
	}
	if err := s.forget(); err != nil {
		return mainFlush{}, err
	}
	if err := s.noteReach(); err != nil {
		return mainFlush{}, err
	}
	f := mainFlush{changes: s.mainCount.applied.Load(), note: s.mainNote}
	s.view.RLock()
	f.pending = s.pending
	s.view.RUnlock()
	if !s.mainCount.dirty() {
		return f, nil
	}
	var err error
	if f.flushed, err = s.startFlush(s.main); err != nil {
		return mainFlush{}, err // the memtable is as full as it was
	}
	s.mainFill = 0
	return f, nil
}

// forget removes the notes of deletions that took effect after an earlier flush:
// History has been flushed since.
func (s *Store) forget() error {
	if len(s.done) == 0 {
		return nil
	}
	if err := s.unstall(s.main); err != nil {
		return err
	}
	b := new(pebble.Batch)
	for i := range s.done {
		if err := b.Delete(deleteKey(s.done[i].number), nil); err != nil {
			return err
		}
	}
	s.done = nil
	return s.change(s.main, &s.mainCount, b)
}

// finish waits for the flush of Main, and lets deletions take effect.
func (s *Store) finish(f mainFlush) error {
	if f.flushed == nil {
		return nil
	}
	if err := s.wait(f.flushed); err != nil {
		return err
	}
	s.mainFlushed(f)
	s.flushes.Add(1)
	s.apply.Lock()
	s.learnRoom()
	s.apply.Unlock()
	if err := s.takeEffect(f.pending); err != nil {
		return err
	}
	s.reclaimLater()
	return nil
}

// mainFlushed notes that a flush of Main has ended.
func (s *Store) mainFlushed(f mainFlush) {
	s.mainCount.flushedUpTo(f.changes)
	s.pair.main = f.note
}

// takeEffect deletes from History, now that Main is durable without what refers
// to it.
func (s *Store) takeEffect(notes []noted) error {
	if len(notes) == 0 {
		return nil
	}
	b, deleted := new(pebble.Batch), rangesOf(notes)
	if err := addDeletes(b, deleted); err != nil {
		return err
	}
	s.noteRanges(deleted)
	s.apply.Lock()
	defer s.apply.Unlock()
	if err := s.makeHistoryRoom(memory{entries: uint64(len(notes)), bytes: uint64(b.Len())}); err != nil {
		return err
	}
	if err := s.change(s.history, &s.historyCount, b); err != nil {
		return err
	}
	s.done = append(s.done, notes...)
	s.view.Lock()
	defer s.view.Unlock()
	s.pending = slices.Clone(s.pending[len(notes):])
	s.deleted = rangesOf(s.pending)
	return nil
}

func rangesOf(notes []noted) ranges {
	list := make([]keyRange, len(notes))
	for i := range notes {
		list[i] = notes[i].keyRange
	}
	return build(list)
}

func addDeletes(b *pebble.Batch, deleted ranges) error {
	for _, r := range deleted {
		var err error
		if r.isPoint() {
			err = b.Delete(r.low, nil)
		} else {
			err = b.DeleteRange(r.low, r.high, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// flushHistory makes durable what was applied to History before.
func (s *Store) flushHistory() error {
	changes := s.historyCount.applied.Load()
	if !s.historyCount.dirty() {
		return nil
	}
	flushed, err := s.startFlush(s.history)
	if err != nil {
		return err
	}
	if err := s.wait(flushed); err != nil {
		return err
	}
	s.historyCount.flushedUpTo(changes)
	return nil
}

func (s *Store) startFlush(db *pebble.DB) (flushed <-chan struct{}, err error) {
	if err := s.unstall(db); err != nil {
		return nil, err
	}
	return guarded(s, db.AsyncFlush)
}

// wait waits for a flush. It gives up when the disk is full: Pebble goes on
// trying, and so may the caller.
func (s *Store) wait(flushed <-chan struct{}) error {
	select {
	case <-s.noSpace: // from before
	default:
	}
	select {
	case <-flushed:
		return nil
	case <-s.dead:
		return s.death
	case <-s.noSpace:
		return s.full()
	}
}

// maxLayers of level 0 make unstall wait for a compaction, a little before
// Pebble would.
const maxLayers = stopLayers - 4

// unstall waits until a change or a flush cannot make Pebble wait inside, where
// a full disk would hold it for as long as it is full: neither are memtables
// waiting to be flushed nor are compactions far behind. It gives up when the disk
// is full, and when damage keeps compactions from going on. Now and then it looks by itself, so that nothing depends on the order in
// which Pebble reports an end and makes it visible.
func (s *Store) unstall(db *pebble.DB) error {
	select {
	case <-s.noSpace: // from before
	default:
	}
	look := time.NewTicker(lookAgain) // also while others make progress
	defer look.Stop()
	for looks := 0; !s.ready(db); {
		if err := s.stuck(db, false); err != nil {
			return err
		}
		select {
		case <-s.progress:
		case <-look.C:
			if looks++; looks%tellAfter == 0 {
				s.tell(db, looks)
			}
			for _, c := range s.schedulers {
				c.choose()
			}
			if err := s.stuck(db, true); err != nil {
				return err
			}
		case <-s.dead:
			return s.death
		case <-s.noSpace:
			return s.full()
		}
	}
	return nil
}

// lookAgain is how often unstall looks by itself, and tellAfter how often it does so
// before it tells of that.
const (
	lookAgain = time.Second
	tellAfter = 5
)

// tell logs what a change or a flush has been waiting for, after so many looks.
func (s *Store) tell(db *pebble.DB, looks int) {
	m := db.Metrics()
	running, refused := s.schedulerOf(db).state()
	s.opts.Logger.Warn("the state store is behind: changes wait",
		"for", time.Duration(looks)*lookAgain, "history", db == s.history,
		"memtables", m.MemTable.Count, "memtable_bytes", m.MemTable.Size, "flushes", m.Flush.NumInProgress,
		"layers", m.Levels[0].Sublevels, "compactions", m.Compact.NumInProgress, "debt_bytes", m.Compact.EstimatedDebt,
		"scheduled", running, "refused", refused)
}

// ready reports whether a database takes changes and flushes at once. Layers are
// waited for only while a compaction works at them: Pebble counts those that lie
// over one key, and where tables overlap only their neighbours, as in a history that
// grows, there are few of these however many layers there are. Then no compaction is
// due, and nothing would end the wait.
func (s *Store) ready(db *pebble.DB) bool {
	m := db.Metrics()
	s.measure(db, m.Levels[0].Sublevels)
	return m.MemTable.Size < stopMemtables*uint64(s.opts.memtableBytes()) &&
		(m.Levels[0].Sublevels < maxLayers || m.Compact.NumInProgress == 0 && !s.blocked(db, m.Levels[0].Sublevels))
}

// measure tells the pacer how far behind the compactions of a database are.
func (s *Store) measure(db *pebble.DB, layers int32) {
	layer := &s.fence.pace.main
	if db == s.history {
		layer = &s.fence.pace.history
	}
	layer.Store(layers)
}

func (s *Store) full() error {
	return fmt.Errorf("%w: the state store in %s: free some space, then it goes on by itself; nothing is lost", substrate.ErrDiskFull, s.opts.Dir)
}
