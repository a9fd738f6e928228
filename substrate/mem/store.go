package mem

import (
	"errors"
	"fmt"
	"maps"
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
	applied []version // since the last flush
	open    *Store
	exports map[string]contents
}

// NewStoreDisk returns an empty disk.
func NewStoreDisk() *StoreDisk { return &StoreDisk{exports: make(map[string]contents)} }

// SetFault installs a fault, or removes it if nil.
func (d *StoreDisk) SetFault(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.fault = f
}

// Open returns the store. One that is open is cut off: its calls return
// ErrFailed. What was applied and not flushed is lost unless Crash kept it.
func (d *StoreDisk) Open() (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutOff()
	d.applied = nil
	d.open = &Store{disk: d}
	return d.open, nil
}

// Crash ends the open store and returns it to its last flushed state, or to a
// later one: keep says how many of the batches applied since then survive, as
// when a store writes early because its memory is full; ahead says of how many
// of the others the history survives. It returns how many batches were lost.
func (d *StoreDisk) Crash(keep, ahead Keep) (lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutOff()
	n := len(d.applied)
	kept := min(max(keep(n), 0), n)
	if kept > 0 {
		d.durable = d.applied[kept-1].contents
	}
	more := min(max(ahead(n-kept), 0), n-kept)
	for _, v := range d.applied[kept : kept+more] {
		for i := range v.batch.changes {
			// Deletions of history wait until Main is durable.
			if c := &v.batch.changes[i]; c.space == substrate.History && c.kind == changeSet {
				d.durable.spaces[substrate.History] = c.apply(d.durable.spaces[substrate.History])
			}
		}
	}
	d.applied = nil
	return n - kept
}

func (d *StoreDisk) cutOff() {
	if d.open != nil && d.open.err == nil {
		d.open.err = fmt.Errorf("%w: the store has crashed or was opened again", substrate.ErrFailed)
	}
	d.open = nil
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

func (d *StoreDisk) newest() contents {
	if n := len(d.applied); n > 0 {
		return d.applied[n-1].contents
	}
	return d.durable
}

// Store is a substrate.Store in memory.
type Store struct {
	disk  *StoreDisk
	err   error // why it takes no calls; guarded by disk.mu, as all that follows
	stats substrate.StoreStats
}

var _ substrate.Store = (*Store)(nil)

// Get implements substrate.Store.
func (s *Store) Get(space substrate.Space, key []byte) ([]byte, error) {
	c, err := s.look(OpGet)
	if err != nil {
		return nil, fmt.Errorf("get a key: %w", err)
	}
	return c.get(space, key), nil
}

// Scan implements substrate.Store.
func (s *Store) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	c, err := s.look(OpScan)
	if err != nil {
		return fmt.Errorf("scan keys: %w", err)
	}
	c.spaces[space].scan(low, high, f)
	return nil
}

func (s *Store) look(op Op) (contents, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.err != nil {
		return contents{}, s.err
	}
	return s.disk.newest(), s.disk.faults.check(op)
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
	return &snapshot{store: s, contents: s.disk.newest()}
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
	next := d.newest()
	for i := range changes.changes {
		c := &changes.changes[i]
		next.spaces[c.space] = c.apply(next.spaces[c.space])
	}
	next.stamps = maps.Clone(next.stamps)
	if next.stamps == nil {
		next.stamps = make(map[int]substrate.Stamp)
	}
	next.stamps[partition] = stamp
	d.applied = append(d.applied, version{contents: next, batch: changes})
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
	return s.disk.newest().stamps[partition], nil
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
	for i := range d.applied {
		s.stats.WrittenBytes += int64(d.applied[i].batch.size)
	}
	d.durable, d.applied = d.newest(), nil
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
	d.exports[dir] = d.durable
	m := substrate.Manifest{Stamps: maps.Clone(d.durable.stamps)}
	for i, name := range []string{"main", "history"} {
		file := substrate.ManifestFile{Name: name}
		d.durable.spaces[i].scan(nil, nil, func(k, v []byte) bool {
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
	s.err = substrate.ErrClosed
	if d.open == s {
		d.open = nil
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

type snapshot struct {
	store *Store
	contents
	closed bool
}

// Get implements substrate.Snapshot.
func (s *snapshot) Get(space substrate.Space, key []byte) ([]byte, error) {
	if err := s.check(OpGet); err != nil {
		return nil, fmt.Errorf("get a key of a snapshot: %w", err)
	}
	return s.get(space, key), nil
}

// Scan implements substrate.Snapshot.
func (s *snapshot) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	if err := s.check(OpScan); err != nil {
		return fmt.Errorf("scan keys of a snapshot: %w", err)
	}
	s.spaces[space].scan(low, high, f)
	return nil
}

func (s *snapshot) check(op Op) error {
	if s.closed {
		return substrate.ErrClosed
	}
	_, err := s.store.look(op)
	return err
}

// Close implements substrate.Snapshot.
func (s *snapshot) Close() error {
	s.closed = true
	return nil
}
