package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Report is what Verify found.
type Report struct {
	// Stamps has those of the partitions that were ever written.
	Stamps map[int]substrate.Stamp
	// Reached is what is noted of the log, see Options.Reached; zero if nothing is.
	Reached substrate.Reach
	Age     Age
	Rows    int64
	Damage  []Damage
}

// Damage is damage in one of the ranges that Verify was given, counted from 0;
// -1 is none in particular.
type Damage struct {
	Range int
	*substrate.Damage
	// Harmless: the store can be opened all the same, which mends it, and no row is lost.
	Harmless bool
}

// Range is the keys from Low up to, and without, High.
type Range struct{ Low, High []byte }

// Verify reads a whole store, which nobody has open, and changes nothing: it
// writes no file, and creates none. It reports the first damage in each range of
// each space. The error says that it could not read: substrate.ErrNewerFormat, or
// a failing disk. A store that was never flushed has nothing to report.
func Verify(opts Options, all []Range) (r Report, err error) {
	opts = opts.withDefaults()
	opts.FS = readOnly{opts.FS}
	s := newStore(opts)
	defer s.abandon()
	made, err := s.databases()
	if err == nil {
		err = s.openToRead(made)
	}
	if err != nil {
		damage, ok := errors.AsType[*substrate.Damage](err)
		if !ok {
			return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
		}
		r.Damage = append(r.Damage, Damage{Range: -1, Damage: damage})
		return r, nil
	}
	r.Stamps, r.Reached, r.Age = s.stamps, s.reach, s.age()
	for i, keys := range all {
		for _, db := range []*pebble.DB{s.main, s.history} {
			err := s.count(db, keys, &r.Rows)
			if damage, ok := errors.AsType[*substrate.Damage](err); ok {
				r.Damage = append(r.Damage, Damage{Range: i, Damage: damage})
			} else if err != nil {
				return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
			}
		}
	}
	if err := s.verifyTables(&r); err != nil {
		return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
	}
	foreign := slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.Kind == "foreign" })
	if damage, ok := errors.AsType[*substrate.Damage](s.pair.check()); ok && !foreign {
		r.Damage = append(r.Damage, Damage{Range: -1, Damage: damage})
	}
	for _, verify := range []func(*Report, map[string]bool) error{s.verifyManifests, s.verifyOptions} {
		if err := verify(&r, made); err != nil {
			return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
		}
	}
	return r, nil
}

// View is a store that nobody has open, to be read; it changes nothing. History
// may hold rows whose deletion is only noted.
type View struct {
	s *Store
	// The last ones that were looked into, see Place.
	tables     map[string]*parts
	tableBytes int
}

// OpenView opens a store to be read. What keeps Open from opening it is an error
// here, and so is one that is another hub's.
func OpenView(opts Options) (*View, error) {
	opts = opts.withDefaults()
	opts.FS = readOnly{opts.FS}
	v := &View{s: newStore(opts)}
	made, err := v.s.databases()
	if err == nil {
		err = v.s.openToRead(made)
	}
	if err != nil {
		v.s.abandon()
		return nil, fmt.Errorf("read the state store in %s: %w", opts.Dir, err)
	}
	for name, db := range map[string]*pebble.DB{mainDir: v.s.main, historyDir: v.s.history} {
		// A table that cannot be read is for those who need it.
		if err := v.s.foreignSample(name, db); errors.Is(err, substrate.ErrForeign) {
			v.s.abandon()
			return nil, fmt.Errorf("read the state store in %s: %w", opts.Dir, err)
		}
	}
	if err := v.s.pair.check(); err != nil {
		v.s.abandon()
		return nil, fmt.Errorf("read the state store in %s: %w", opts.Dir, err)
	}
	return v, nil
}

// Close ends the view.
func (v *View) Close() { v.s.abandon() }

// Reached returns what is noted of the log, see Options.Reached; zero if nothing is.
func (v *View) Reached() substrate.Reach { return v.s.reach }

// Age tells what an older copy is told by.
func (v *View) Age() Age { return v.s.age() }

// Stamps returns those of the partitions that were ever written.
func (v *View) Stamps() map[int]substrate.Stamp { return v.s.stamps }

func (v *View) database(space substrate.Space) *pebble.DB {
	if space == substrate.Main {
		return v.s.main
	}
	return v.s.history
}

// Get implements substrate.Reader.
func (v *View) Get(space substrate.Space, key []byte) ([]byte, error) {
	if db := v.database(space); db != nil {
		return v.s.get(db, key)
	}
	return nil, nil
}

// Scan implements substrate.Reader.
func (v *View) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	if db := v.database(space); db != nil {
		return v.s.scan(db, nil, low, high, f)
	}
	return nil
}

func (s *Store) count(db *pebble.DB, keys Range, rows *int64) error {
	if db == nil {
		return nil
	}
	return s.scan(db, nil, keys.Low, keys.High, func([]byte, []byte) bool { *rows++; return true })
}

// readMemtable is the size of a memtable into which nothing is written. What it takes
// of the memory is there for as long as the process, if the hub is opened afterwards.
const readMemtable = 16 << 10

// openToRead opens the databases that have been made.
func (s *Store) openToRead(made map[string]bool) (err error) {
	for _, d := range []struct {
		name string
		db   **pebble.DB
		opts *pebble.Options
	}{{historyDir, &s.history, s.historyOptions()}, {mainDir, &s.main, s.mainOptions()}} {
		if !made[d.name] {
			continue
		}
		d.opts.ReadOnly, d.opts.MemTableSize = true, readMemtable
		if *d.db, err = s.openDatabase(d.name, d.opts); err != nil {
			return err
		}
	}
	if s.main == nil {
		return nil
	}
	if err := s.readVersion(); err != nil {
		return err
	}
	if err := s.loadStamps(); err != nil {
		return err // what is wrong with one table may be all that there is to say
	}
	return s.loadReach()
}

// errReadOnly is what an attempt to write comes to. There is none.
var errReadOnly = errors.New("the state store is only being read")

// readOnly is a file system that lets nothing be changed.
type readOnly struct{ vfs.FS }

// Create implements vfs.FS.
func (readOnly) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }

// Link implements vfs.FS.
func (readOnly) Link(string, string) error { return errReadOnly }

// OpenReadWrite implements vfs.FS.
func (readOnly) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}

// Remove implements vfs.FS.
func (readOnly) Remove(string) error { return errReadOnly }

// RemoveAll implements vfs.FS.
func (readOnly) RemoveAll(string) error { return errReadOnly }

// Rename implements vfs.FS.
func (readOnly) Rename(string, string) error { return errReadOnly }

// ReuseForWrite implements vfs.FS.
func (readOnly) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}

// MkdirAll implements vfs.FS.
func (readOnly) MkdirAll(string, os.FileMode) error { return errReadOnly }

// Lock implements vfs.FS. Whoever reads holds the lock of the hub's directory.
func (readOnly) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
