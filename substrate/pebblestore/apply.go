package pebblestore

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// Apply implements substrate.Store.
func (s *Store) Apply(b substrate.Batch, partition int, stamp substrate.Stamp) error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("apply a batch of partition %d: %w", partition, err)
	}
	defer s.leave()
	if err := s.applyBatch(b.(*batch), partition, stamp); err != nil {
		return fmt.Errorf("apply a batch of partition %d: %w", partition, err)
	}
	return nil
}

func (s *Store) applyBatch(b *batch, partition int, stamp substrate.Stamp) error {
	if b.err != nil {
		return b.err
	}
	if b.main == nil {
		return fmt.Errorf("the batch has been applied already")
	}
	deletes, err := b.resolve()
	if err != nil {
		return err
	}
	if err := s.settle(b); err != nil {
		return err
	}
	s.apply.Lock()
	defer s.apply.Unlock()
	s.note(b, deletes)
	b.set(b.main, stampKey(partition), encodeStamp(stamp))
	b.memory.add(32)
	if b.err != nil {
		return b.err
	}
	if b.sets > 0 && !b.historyDone {
		if err := s.makeHistoryRoom(memory{entries: uint64(b.sets), bytes: uint64(b.history.Len())}); err != nil {
			return err
		}
		if err := s.change(s.history, &s.historyCount, b.history); err != nil {
			return err
		}
		b.historyDone = true
	}
	if err := s.makeRoom(b.memory); err != nil {
		return err // history is ahead now, which is allowed
	}
	s.view.Lock()
	defer s.view.Unlock()
	if err := s.change(s.main, &s.mainCount, b.main); err != nil {
		return err
	}
	s.deleted = s.deleted.union(deletes)
	s.pending = append(s.pending, b.notes...)
	s.stamps[partition] = stamp
	s.appliedBytes.Add(int64(b.size))
	s.noteDeletes(b)
	b.release()
	return nil
}

// change applies a batch to one of the databases.
func (s *Store) change(db *pebble.DB, count *counter, b *pebble.Batch) error {
	err := s.guard(func() error { return db.Apply(b, pebble.NoSync) })
	count.applied.Add(1)
	return err
}

// settle makes deletions of History take effect if the batch sets a key that
// they cover: done later, they would take the new value with them. It does not
// happen to callers whose history keys only grow.
func (s *Store) settle(b *batch) error {
	s.view.RLock()
	deleted := s.deleted
	s.view.RUnlock()
	if len(deleted) == 0 {
		return nil
	}
	again := false
	err := b.historySets(func(_ int, key []byte) { again = again || deleted.contains(key) })
	if err != nil || !again {
		return err
	}
	// The first flush lets them take effect, the second forgets the note of it.
	for range 2 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	return nil
}

// note adds the deletions from History to what the batch does in Main.
func (s *Store) note(b *batch, deletes ranges) {
	if b.noted {
		return
	}
	b.noted = true
	for _, r := range deletes {
		s.number++
		b.notes = append(b.notes, noted{number: s.number, keyRange: r})
		value := encodeRange(r)
		b.set(b.main, deleteKey(s.number), value)
		b.memory.add(10 + len(value))
	}
}

// makeRoom makes sure that Pebble does not flush Main by itself while there is
// history that is not durable. It does so when a batch does not fit into the
// memtable, and at once with a batch that would take half of one. A memtable that
// is full is flushed here, so that the next batches find an empty one.
func (s *Store) makeRoom(m memory) error {
	if s.fits(m) {
		s.mainFill += m.taken()
		return nil
	}
	if s.learnRoom(); s.fits(m) {
		s.mainFill += m.taken()
		return nil
	}
	if err := s.flushHistory(); err != nil {
		return err
	}
	if s.large(m) {
		if err := s.unstall(s.main); err != nil {
			return err
		}
	} else {
		if _, err := s.startFlush(s.main); err != nil {
			return err
		}
		s.mainFill = 0
	}
	s.mainFill += m.taken()
	return nil
}

// fits reports whether Pebble applies a batch to Main without a flush.
func (s *Store) fits(m memory) bool {
	return !s.large(m) && s.mainFill+m.asked() <= s.mainRoom/16*15
}

// large reports whether Pebble may flush a batch by itself, with the memtable.
func (s *Store) large(m memory) bool { return m.asked() > uint64(s.opts.memtableBytes())/32*15 }

// learnRoom takes in how large Main's memtable has become. Memtables double until
// they have their full size, and never shrink.
func (s *Store) learnRoom() {
	if m := s.main.Metrics().MemTable; m.Count == 1 {
		s.mainRoom = max(s.mainRoom, m.Size)
	}
}

// makeHistoryRoom makes sure that a change of History does not have to wait
// inside Pebble. How full its memtable is, is guessed from above.
func (s *Store) makeHistoryRoom(m memory) error {
	if s.historyFill += m.asked(); s.historyFill <= s.historyRoom {
		return nil
	}
	if err := s.unstall(s.history); err != nil {
		return err
	}
	s.historyFill, s.historyRoom = m.asked(), s.history.Metrics().MemTable.Size
	return nil
}
