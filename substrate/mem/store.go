package mem

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/netherite-go/netherite/substrate"
)

// contents is a state of a store. It is never changed.
type contents struct {
	spaces [2]*tree
	stamps map[int]substrate.Stamp
}

// version is the state after an Apply, with what the batch did.
type version struct {
	contents
	batch *batch
}

// StoreDisk is what remains of a store when its process is gone.
type StoreDisk struct {
	mu      sync.Mutex
	faults  faults
	durable contents
	open    []*Store
	last    *Store // the one that was opened last, if nothing has crashed since
	exports map[string]contents
	damaged damage // a slice is never changed, only replaced
}

// NewStoreDisk returns an empty disk.
func NewStoreDisk() *StoreDisk { return &StoreDisk{exports: make(map[string]contents)} }

// SetFault installs a fault, or removes it if nil.
func (d *StoreDisk) SetFault(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.fault = f
}

// Open returns the store as it was last flushed, or as Crash has left it. One that
// is open does not notice, as that of another process would not: it goes on with
// what it knows, and its Flush puts that in the place of whatever is there.
func (d *StoreDisk) Open() (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &Store{disk: d, base: d.durable}
	d.open = append(d.open, s)
	d.last = s
	return s, nil
}

// Crash ends all that have the store open and returns it to its last flushed
// state, or to a later one: keep says how many of the batches that were applied
// since then by who has opened it last survive, as
// when a store writes early because its memory is full; ahead says of how many
// of the others the history survives. It returns how many batches were lost.
func (d *StoreDisk) Crash(keep, ahead Keep) (lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.open {
		if s.err == nil {
			s.err = fmt.Errorf("%w: the store has crashed", substrate.ErrFailed)
		}
	}
	var applied []version
	if d.last != nil {
		applied = d.last.applied
	}
	d.open, d.last = nil, nil
	n := len(applied)
	kept := min(max(keep(n), 0), n)
	if kept > 0 {
		d.durable = applied[kept-1].contents
	}
	more := min(max(ahead(n-kept), 0), n-kept)
	for _, v := range applied[kept : kept+more] {
		for i := range v.batch.changes {
			// Deletions of history wait until Main is durable.
			if c := &v.batch.changes[i]; c.space == substrate.History && c.kind == changeSet {
				d.durable.spaces[substrate.History] = c.apply(newEdit(), d.durable.spaces[substrate.History])
			}
		}
	}
	return n - kept
}

// Exported returns a disk with the content of an earlier Export.
func (d *StoreDisk) Exported(dir string) (*StoreDisk, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.exports[dir]
	if !ok {
		return nil, false
	}
	copied := NewStoreDisk()
	copied.durable = c
	return copied, true
}

// Store is a substrate.Store in memory.
type Store struct {
	disk    *StoreDisk
	err     error     // why it takes no calls; guarded by disk.mu, as all that follows
	base    contents  // as of its last flush
	applied []version // since then
	stats   substrate.StoreStats
}

// newest is what its reader sees.
func (s *Store) newest() contents {
	if n := len(s.applied); n > 0 {
		return s.applied[n-1].contents
	}
	return s.base
}

var _ substrate.Store = (*Store)(nil)

// Get implements substrate.Store.
func (s *Store) Get(space substrate.Space, key []byte) ([]byte, error) {
	c, bad, err := s.look(OpGet)
	if err == nil {
		err = bad.read(space, key)
	}
	if err != nil {
		return nil, fmt.Errorf("get a key: %w", err)
	}
	return c.get(space, key), nil
}

// Scan implements substrate.Store.
func (s *Store) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	c, bad, err := s.look(OpScan)
	if err == nil {
		err = c.scan(space, low, high, bad, f)
	}
	if err != nil {
		return fmt.Errorf("scan keys: %w", err)
	}
	return nil
}

func (s *Store) look(op Op) (contents, damage, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.err != nil {
		return contents{}, nil, s.err
	}
	return s.newest(), s.disk.damaged, s.disk.faults.check(op)
}

func (c *contents) get(space substrate.Space, key []byte) []byte {
	value, ok := c.spaces[space].get(key)
	if !ok {
		return nil
	}
	return append([]byte{}, value...)
}

// Snapshot implements substrate.Store.
func (s *Store) Snapshot() substrate.Snapshot {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return &snapshot{store: s, contents: s.newest()}
}

// NewBatch implements substrate.Store.
func (s *Store) NewBatch() substrate.Batch { return &batch{} }

// Apply implements substrate.Store.
func (s *Store) Apply(b substrate.Batch, partition int, stamp substrate.Stamp) error {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("apply a batch: %w", s.err)
	}
	changes := b.(*batch)
	if changes.err != nil {
		return fmt.Errorf("apply a batch: %w", changes.err)
	}
	if changes.used {
		return errors.New("apply a batch: it has been applied already")
	}
	if err := d.faults.check(OpApply); err != nil {
		return s.fail("apply a batch", err)
	}
	changes.used = true
	next := s.newest()
	e := newEdit()
	for i := range changes.changes {
		c := &changes.changes[i]
		next.spaces[c.space] = c.apply(e, next.spaces[c.space])
	}
	next.stamps = maps.Clone(next.stamps)
	if next.stamps == nil {
		next.stamps = make(map[int]substrate.Stamp)
	}
	next.stamps[partition] = stamp
	s.applied = append(s.applied, version{contents: next, batch: changes})
	s.stats.AppliedBytes += int64(changes.size)
	return nil
}

// fail makes the store refuse everything from now on, unless the disk is full.
func (s *Store) fail(what string, err error) error {
	if errors.Is(err, substrate.ErrDiskFull) {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.err = fmt.Errorf("%w: could not %s: %w", substrate.ErrFailed, what, err)
	return s.err
}

// Stamp implements substrate.Store.
func (s *Store) Stamp(partition int) (substrate.Stamp, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.err != nil {
		return substrate.Stamp{}, fmt.Errorf("read the stamp of partition %d: %w", partition, s.err)
	}
	return s.newest().stamps[partition], nil
}

// Flush implements substrate.Store.
func (s *Store) Flush() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.flush()
}

func (s *Store) flush() error {
	d := s.disk
	if s.err != nil {
		return fmt.Errorf("flush the store: %w", s.err)
	}
	if err := d.faults.check(OpFlush); err != nil {
		return s.fail("flush the store", err)
	}
	if len(s.applied) > 0 {
		for i := range s.applied {
			s.stats.WrittenBytes += int64(s.applied[i].batch.size)
		}
		s.base, s.applied = s.newest(), nil
		d.durable = s.base
	}
	s.stats.Flushes++
	s.stats.Syncs++
	return nil
}

// Export implements substrate.Store; StoreDisk.Exported gives access to the copy.
func (s *Store) Export(dir string) (substrate.Manifest, error) {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.err != nil {
		return substrate.Manifest{}, fmt.Errorf("export the store to %s: %w", dir, s.err)
	}
	if _, ok := d.exports[dir]; ok {
		return substrate.Manifest{}, fmt.Errorf("export the store to %s: it exists already, name a new directory", dir)
	}
	d.exports[dir] = s.base
	m := substrate.Manifest{Stamps: maps.Clone(s.base.stamps)}
	for i, name := range []string{"main", "history"} {
		file := substrate.ManifestFile{Name: name}
		s.base.spaces[i].scan(nil, nil, func(k, v []byte) bool {
			file.Size += int64(len(k) + len(v))
			return true
		})
		m.Files = append(m.Files, file)
	}
	return m, nil
}

// Stats implements substrate.Store.
func (s *Store) Stats() substrate.StoreStats {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.stats
}

// Close implements substrate.Store. It flushes.
func (s *Store) Close() error {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	err := s.flush()
	s.end()
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// Abandon implements substrate.Store.
func (s *Store) Abandon() {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.end()
}

func (s *Store) end() {
	s.err, s.applied = substrate.ErrClosed, nil
	s.disk.open = slices.DeleteFunc(s.disk.open, func(o *Store) bool { return o == s })
}

type snapshot struct {
	store *Store
	contents
	closed bool
}

// Get implements substrate.Snapshot.
func (s *snapshot) Get(space substrate.Space, key []byte) ([]byte, error) {
	bad, err := s.check(OpGet)
	if err == nil {
		err = bad.read(space, key)
	}
	if err != nil {
		return nil, fmt.Errorf("get a key of a snapshot: %w", err)
	}
	return s.get(space, key), nil
}

// Scan implements substrate.Snapshot.
func (s *snapshot) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	bad, err := s.check(OpScan)
	if err == nil {
		err = s.scan(space, low, high, bad, f)
	}
	if err != nil {
		return fmt.Errorf("scan keys of a snapshot: %w", err)
	}
	return nil
}

func (s *snapshot) check(op Op) (damage, error) {
	if s.closed {
		return nil, substrate.ErrClosed
	}
	_, bad, err := s.store.look(op)
	return bad, err
}

// Close implements substrate.Snapshot.
func (s *snapshot) Close() error {
	s.closed = true
	return nil
}
