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
	// Torn are the ends of manifests that are not whole. A crash leaves such, and then
	// nothing is missing; damage does, too.
	Torn []*substrate.Damage
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
// writes no file, and creates none. It reports all damage: of a table that is destroyed the
// first blocks, and how many more there are. Of a database without a usable manifest
// nothing tells which tables belong to it: all that are there are read. The error says that it could
// not read: substrate.ErrNewerFormat, or a failing disk. A store that was never flushed has
// nothing to report.
func Verify(opts Options, all []Range) (r Report, err error) {
	opts = opts.withDefaults()
	opts.FS = readOnly{opts.FS}
	s := newStore(opts)
	defer s.abandon()
	if err := s.verify(&r, all); err != nil {
		return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
	}
	return r, nil
}

func (s *Store) verify(r *Report, all []Range) error {
	made, err := s.openWhatOpens(r)
	if err != nil {
		return err
	}
	opened := len(r.Damage) == 0
	if opened {
		r.Stamps, r.Reached, r.Age = s.stamps, s.reach, s.age()
		if err := s.countAll(r, all); err != nil {
			return err
		}
	}
	if err := s.verifyTables(r, all, made); err != nil {
		return err
	}
	foreign := slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.Kind == "foreign" })
	if damage, ok := errors.AsType[*substrate.Damage](s.pair.check()); ok && opened && !foreign {
		r.add(-1, damage)
	}
	for _, verify := range []func(*Report, map[string]bool) error{s.verifyManifests, s.verifyOptions} {
		if err := verify(r, made); err != nil {
			return err
		}
	}
	return nil
}

// openWhatOpens opens the databases, to be read, and reads what is noted in them. What
// keeps it from that goes into the report.
func (s *Store) openWhatOpens(r *Report) (made map[string]bool, err error) {
	note := func(err error) error {
		damage, ok := errors.AsType[*substrate.Damage](err)
		if !ok {
			return err
		}
		r.add(-1, damage)
		return nil
	}
	made = map[string]bool{}
	there, err := s.there()
	if err != nil || !there {
		return made, note(err)
	}
	for _, name := range []string{historyDir, mainDir} {
		if made[name], err = s.made(name); err == nil && made[name] {
			err = s.openDatabaseToRead(name)
		}
		if err = note(err); err != nil {
			return made, err
		}
	}
	if s.main == nil {
		return made, nil
	}
	for _, load := range []func() error{s.readVersion, s.loadStamps, s.loadReach} {
		if err := note(load()); err != nil {
			return made, err
		}
	}
	return made, nil
}

// countAll counts the rows of each range, and names what keeps it from that.
func (s *Store) countAll(r *Report, all []Range) error {
	for i, keys := range all {
		for _, db := range []*pebble.DB{s.main, s.history} {
			err := s.count(db, keys, &r.Rows)
			if damage, ok := errors.AsType[*substrate.Damage](err); ok {
				r.add(i, damage)
			} else if err != nil {
				return err
			}
		}
	}
	return nil
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
func (s *Store) openToRead(made map[string]bool) error {
	for _, name := range []string{historyDir, mainDir} {
		if !made[name] {
			continue
		}
		if err := s.openDatabaseToRead(name); err != nil {
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
		return err
	}
	return s.loadReach()
}

func (s *Store) openDatabaseToRead(name string) (err error) {
	db, o := &s.main, s.mainOptions()
	if name == historyDir {
		db, o = &s.history, s.historyOptions()
	}
	o.ReadOnly, o.MemTableSize = true, readMemtable
	*db, err = s.openDatabase(name, o)
	return err
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
