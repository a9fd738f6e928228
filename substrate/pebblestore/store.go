package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

const (
	mainDir    = "main"
	historyDir = "history"
)

// Store is a substrate.Store on two Pebble databases. Open makes one.
type Store struct {
	opts          Options
	fence         *fence
	cache         *pebble.Cache
	main, history *pebble.DB
	schedulers    []*scheduler // of both

	dead      chan struct{} // closed when the store dies
	deathOnce sync.Once
	death     error         // why; set before dead is closed
	noSpace   chan struct{} // a flush or compaction has met a full disk
	progress  chan struct{} // a flush or compaction has ended

	damaged   sync.Map     // paths of tables that are known to be damaged
	damageMet atomic.Int64 // how often background work other than compactions met damage
	rests     atomic.Int64 // times that background work which failed was made to rest

	life   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	// The databases' changes are counted, so that a flush of nothing is free.
	mainCount, historyCount counter

	flushing sync.Mutex      // held by Flush and Export; comes before apply
	reach    substrate.Reach // of the log, as noted
	pair     pair            // what of it is durable in the databases, and what they know of each other
	mainNote substrate.Reach // of the log, as Main notes it once it is flushed
	known    substrate.Reach // of the log, when the store was opened, as noted by all but History
	opened   bool            // HasNoted
	closing  bool            // the next flush is the last
	done     []noted         // deletions that have taken effect, but whose notes are still there

	apply    sync.Mutex // held while batches are applied; comes before view
	mainFill uint64     // upper bound of what Main's memtable holds
	mainRoom uint64     // lower bound of its size
	number   uint64     // of the last note
	// How much of History's memtable may be taken, and its size.
	historyFill, historyRoom uint64

	view    sync.RWMutex // guards what readers see together
	pending []noted      // deletions from History that have not taken effect in its database
	deleted ranges       // the same, in order
	stamps  map[int]substrate.Stamp

	views    views
	ballast  ballast
	reclaims reclaimer

	appliedBytes, flushes atomic.Int64
}

var _ substrate.Store = (*Store)(nil)

// noted is a deletion from History, with the number of the note of it in Main.
type noted struct {
	number uint64
	keyRange
}

// counter counts changes of a database, and those that are durable.
type counter struct{ applied, flushed atomic.Int64 }

func (c *counter) dirty() bool { return c.flushed.Load() < c.applied.Load() }

// flushedUpTo notes that the first n changes are durable.
func (c *counter) flushedUpTo(n int64) {
	for old := c.flushed.Load(); old < n && !c.flushed.CompareAndSwap(old, n); old = c.flushed.Load() {
	}
}

// enter begins a call; the caller defers leave if there is no error.
func (s *Store) enter() error {
	s.life.RLock()
	if err := s.alive(); err != nil {
		s.life.RUnlock()
		return err
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Get implements substrate.Store.
func (s *Store) Get(space substrate.Space, key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, fmt.Errorf("get a key: %w", err)
	}
	defer s.leave()
	if space == substrate.Main {
		return s.get(s.main, key)
	}
	s.view.RLock()
	defer s.view.RUnlock()
	if s.deleted.contains(key) {
		return nil, nil
	}
	return s.get(s.history, key)
}

// pointRead makes a read of one key use the filters of the last level, too, where
// nearly all tables are: most of what an engine asks for first is the row of an
// instance that does not exist yet. Pebble's own Get does without them.
var pointRead = &pebble.IterOptions{UseL6Filters: true}

func (s *Store) get(from pebble.Reader, key []byte) (value []byte, err error) {
	it, err := from.NewIter(pointRead)
	if err != nil {
		return nil, fmt.Errorf("get a key: %w", s.explain(err))
	}
	if it.SeekPrefixGE(key) && bytes.Equal(it.Key(), key) {
		v, valueErr := it.ValueAndErr()
		value, err = clone(v), valueErr
	}
	if err = errors.Join(err, it.Error(), it.Close()); err != nil {
		return nil, fmt.Errorf("get a key: %w", s.explain(err))
	}
	return value, nil
}

// Scan implements substrate.Store.
func (s *Store) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("scan keys: %w", err)
	}
	defer s.leave()
	if space == substrate.Main {
		return s.scan(s.main, nil, low, high, f)
	}
	// The iterator and what is gone from it belong together.
	s.view.RLock()
	it, err := s.history.NewIter(bounds(low, high))
	deleted := s.deleted
	s.view.RUnlock()
	if err != nil {
		return fmt.Errorf("scan keys: %w", s.explain(err))
	}
	return s.iterate(it, deleted, f)
}

func (s *Store) scan(from pebble.Reader, deleted ranges, low, high []byte, f func(key, value []byte) bool) error {
	it, err := from.NewIter(bounds(low, high))
	if err != nil {
		return fmt.Errorf("scan keys: %w", s.explain(err))
	}
	return s.iterate(it, deleted, f)
}

// bounds keeps an iterator in [low, high), as the contract understands it.
func bounds(low, high []byte) *pebble.IterOptions {
	high = limit(high)
	if len(low) == 0 {
		low = nil // Pebble takes an empty one for a key
	}
	if bytes.Compare(low, high) > 0 {
		low = high
	}
	return &pebble.IterOptions{LowerBound: low, UpperBound: high}
}

func (s *Store) iterate(it *pebble.Iterator, deleted ranges, f func(key, value []byte) bool) (err error) {
	defer func() {
		if err = errors.Join(err, it.Close()); err != nil {
			err = fmt.Errorf("scan keys: %w", s.explain(err))
		}
	}()
	skip := cursor{rest: deleted}
	for ok := it.First(); ok; ok = it.Next() {
		if skip.contains(it.Key()) {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if !f(it.Key(), value) {
			return nil
		}
	}
	return it.Error()
}

// Stamp implements substrate.Store.
func (s *Store) Stamp(partition int) (substrate.Stamp, error) {
	if err := s.enter(); err != nil {
		return substrate.Stamp{}, fmt.Errorf("read the stamp of partition %d: %w", partition, err)
	}
	defer s.leave()
	s.view.RLock()
	defer s.view.RUnlock()
	return s.stamps[partition], nil
}

// retained is up to which size the memory of a batch is used again: that of a
// checkpoint of one partition.
var retained = pebble.WithMaxRetainedSizeBytes(1 << 20)

// NewBatch implements substrate.Store.
func (s *Store) NewBatch() substrate.Batch {
	return &batch{main: s.main.NewBatch(retained), history: s.history.NewBatch(retained)}
}

// Stats implements substrate.Store.
func (s *Store) Stats() substrate.StoreStats {
	st := substrate.StoreStats{
		AppliedBytes: s.appliedBytes.Load(), Flushes: s.flushes.Load(),
		WrittenBytes: s.fence.written.Load(), Syncs: s.fence.syncs.Load(),
	}
	if s.enter() != nil {
		return st
	}
	defer s.leave()
	for _, db := range []*pebble.DB{s.main, s.history} {
		m := db.Metrics()
		st.DiskBytes += int64(m.DiskSpaceUsage())
		st.MemoryBytes += int64(m.MemTable.Size)
	}
	st.MemoryBytes += s.main.Metrics().BlockCache.Size
	return st
}
