package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Report is what Verify found.
type Report struct {
	// Stamps has those of the partitions that were ever written.
	Stamps map[int]substrate.Stamp
	Rows   int64
	Damage []Damage
}

// Damage is damage in one of the ranges that Verify was given, counted from 0;
// -1 is none in particular.
type Damage struct {
	Range int
	*substrate.Damage
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
	if err := s.openToRead(); err != nil {
		damage, ok := errors.AsType[*substrate.Damage](err)
		if !ok {
			return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
		}
		r.Damage = append(r.Damage, Damage{-1, damage})
		return r, nil
	}
	r.Stamps = s.stamps
	for i, keys := range all {
		for _, db := range []*pebble.DB{s.main, s.history} {
			err := s.count(db, keys, &r.Rows)
			if damage, ok := errors.AsType[*substrate.Damage](err); ok {
				r.Damage = append(r.Damage, Damage{i, damage})
			} else if err != nil {
				return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
			}
		}
	}
	if err := s.verifyOwner(&r); err != nil {
		return r, fmt.Errorf("verify the state store in %s: %w", opts.Dir, err)
	}
	return r, nil
}

// View is a store that nobody has open, to be read; it changes nothing. History
// may hold rows whose deletion is only noted.
type View struct{ s *Store }

// OpenView opens a store to be read. What Verify reports is an error here.
func OpenView(opts Options) (*View, error) {
	opts = opts.withDefaults()
	opts.FS = readOnly{opts.FS}
	v := &View{newStore(opts)}
	if err := v.s.openToRead(); err != nil {
		v.s.abandon()
		return nil, fmt.Errorf("read the state store in %s: %w", opts.Dir, err)
	}
	return v, nil
}

// Close ends the view.
func (v *View) Close() { v.s.abandon() }

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

// openToRead opens what there is of the databases. One that is not there was not
// made yet, unless it has left tables behind.
func (s *Store) openToRead() error {
	for _, d := range []struct {
		name string
		db   **pebble.DB
		opts *pebble.Options
	}{{historyDir, &s.history, s.historyOptions()}, {mainDir, &s.main, s.mainOptions()}} {
		there, err := s.made(d.name)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		d.opts.ReadOnly = true
		if *d.db, err = s.openDatabase(d.name, d.opts); err != nil {
			return err
		}
	}
	if s.main == nil {
		return nil
	}
	if s.history == nil {
		return &substrate.Damage{File: historyDir, Kind: "short", Detail: "it is missing, and is made before " + mainDir}
	}
	if err := s.readVersion(); err != nil {
		return err
	}
	return s.loadStamps()
}

// made reports whether there is a database. Tables without a manifest are damage.
func (s *Store) made(name string) (bool, error) {
	dir := s.opts.FS.PathJoin(s.opts.Dir, name)
	names, err := s.opts.FS.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", dir, err)
	}
	found, err := pebble.Peek(dir, s.opts.FS)
	if err != nil || found.Exists {
		return true, nil // to open it tells what is wrong with it
	}
	for _, file := range names {
		if filepath.Ext(file) == ".sst" {
			return false, &substrate.Damage{File: name, Kind: "short", Detail: "it has tables and no manifest that lists them"}
		}
	}
	return false, nil
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
