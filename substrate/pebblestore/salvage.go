package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Remains is what can still be read of a store that may be damaged. A row is
// there only if it is certain that it is the newest of its key: one that a
// newer row or a deletion in a place that cannot be read may have replaced is
// not. Where such a place is, Lost says. A table's filter tells of nearly all keys
// that are not in it that they are not.
type Remains struct {
	Lost []Lost
	// Strays: there are tables that no manifest names. A crash leaves such, and
	// so does damage at the end of a manifest, which Pebble takes for its end.
	Strays bool
	spaces map[substrate.Space]*remainingSpace
	files  vfs.FS
	dir    string
}

// Lost is a range of keys whose rows could not be read, or may be out of date.
type Lost struct {
	Space substrate.Space
	Range
	File    string // relative to the store's directory
	Entries int64  // how many could not be read; -1: nobody knows. Deletions count
	Detail  string
	// Unlisted: nothing said which tables belong to the database. The rows are
	// those of all tables that are there.
	Unlisted bool
	from     *table
	filter   tableFilter // of its keys
	// deletions: only deletions of ranges are lost. Rows of other tables may have been
	// deleted by them.
	deletions bool
}

// Overlaps reports whether keys of a range are lost.
func (l *Lost) Overlaps(space substrate.Space, r Range) bool {
	return l.Space == space && bytes.Compare(l.Low, r.High) < 0 && bytes.Compare(r.Low, l.High) < 0
}

// everyKey is what a table may hold of which nothing is known.
var everyKey = Range{Low: []byte{0}, High: []byte{reserved, reserved}}

// remainingSpace is what is left of one database.
type remainingSpace struct {
	opts   Options
	format format
	dir    string
	tables []*table
	spans  []span
}

// Salvage looks through the tables of a store that nobody has open, block by
// block, and changes nothing. What is whole of a table is read whatever else of it is
// damaged, unless nothing tells that it is the right one. Without a usable manifest all tables that are there are read, though
// deletions may have gone with those that a compaction had replaced, and nothing
// tells whether one is missing: then Lost has every key, and is Unlisted. So they
// are if every table is asked for. The error says that it
// could not read: substrate.ErrNewerFormat, or a failing disk.
func Salvage(opts Options, every bool) (*Remains, error) {
	opts = opts.withDefaults()
	opts.FS = readOnly{opts.FS}
	r := &Remains{spaces: map[substrate.Space]*remainingSpace{}, files: opts.FS, dir: opts.Dir}
	for _, d := range []struct {
		space substrate.Space
		name  string
	}{{substrate.Main, mainDir}, {substrate.History, historyDir}} {
		if err := r.look(opts, d.space, d.name, every); err != nil {
			return nil, fmt.Errorf("salvage the state store in %s: %w", opts.Dir, err)
		}
	}
	if err := errors.Join(r.noted(), r.narrow()); err != nil {
		return nil, fmt.Errorf("salvage the state store in %s: %w", opts.Dir, err)
	}
	return r, nil
}

// noted takes up the deletions from History that Main has notes of, as Open does.
// Notes that are lost leave rows behind that nothing in Main refers to.
func (r *Remains) noted() error {
	left := r.spaces[substrate.History]
	return r.Scan(substrate.Main, deletesLow, deletesHigh, func(_, value []byte) bool {
		if n, err := decodeRange(value); err == nil {
			left.spans = append(left.spans, span{Range{n.low, n.high}, math.MaxUint64})
		}
		return true
	})
}

func (r *Remains) look(opts Options, space substrate.Space, name string, every bool) error {
	s := newStore(opts)
	defer s.abandon()
	o := s.mainOptions()
	if space == substrate.History {
		o = s.historyOptions()
	}
	left := &remainingSpace{opts: opts, dir: opts.FS.PathJoin(opts.Dir, name)}
	r.spaces[space] = left
	tables, err := s.liveTables(name, o)
	there, errThere := left.anyTables()
	if errThere != nil {
		return errThere
	}
	strays := slices.ContainsFunc(there, func(t *table) bool {
		return !slices.ContainsFunc(tables, func(live *table) bool { return live.file == t.file })
	})
	if r.Strays = r.Strays || err == nil && strays; err == nil && every && strays {
		err = errors.New("its manifest ends before tables that are there")
	}
	switch {
	case errors.Is(err, substrate.ErrNewerFormat), errors.Is(err, substrate.ErrFailed):
		return err
	case err != nil:
		detail := "nothing says which tables belong to it: " + words(err)
		tables = there
		r.Lost = append(r.Lost, Lost{Space: space, Range: everyKey, File: name, Entries: -1, Detail: detail, Unlisted: true})
	}
	left.tables = tables
	left.format = newFormat(o, opts.Hub)
	for _, t := range left.tables {
		found, err := left.load(t)
		if err != nil {
			return err
		}
		left.spans = append(left.spans, found.spans...)
		lost := Lost{Space: space, File: name + "/" + t.file, Entries: -1, from: t, filter: found.filter}
		if len(found.holes) == 1 {
			lost.Entries = found.missing
		}
		for _, h := range found.holes {
			lost.Range, lost.Detail = h.Range, h.detail
			r.Lost = append(r.Lost, lost)
		}
		if found.unsure != "" {
			lost.Range, lost.Detail, lost.deletions = t.keys, found.unsure, true
			r.Lost = append(r.Lost, lost)
		}
	}
	left.sort()
	return nil
}

// liveTables asks the manifest. Pebble does not list a table which is not there:
// such a table is made up, and found to be missing when it is read. So is the marker of
// the format: without it Pebble opens no database that has tables, though the manifest
// says which these are.
func (s *Store) liveTables(name string, o *pebble.Options) (tables []*table, err error) {
	there, err := s.made(name)
	if err != nil || !there {
		return nil, err
	}
	full := &madeUp{FS: o.FS}
	if s.lacksFormat(name) {
		full.names = append(full.names, fmt.Sprintf("%s000001.%03d", formatMarker, o.FormatMajorVersion))
	}
	o.FS, o.ReadOnly, o.DisableConsistencyCheck = full, true, true
	levels, err := s.listTables(name, o)
	for err != nil {
		gone := missingTable.FindStringSubmatch(err.Error())
		if gone == nil || slices.Contains(full.names, gone[1]+".sst") {
			return nil, err
		}
		full.names = append(full.names, gone[1]+".sst")
		levels, err = s.listTables(name, o)
	}
	return tablesIn(levels), nil
}

// formatMarker is what the name of the file begins with that names the format of a
// database; the number of its move and the format follow.
const formatMarker = "marker.format-version."

// lacksFormat reports whether nothing names the format of a database that has a
// manifest. It is no later one than this program writes, or its tables cannot be read.
func (s *Store) lacksFormat(name string) bool {
	found, err := pebble.Peek(s.opts.FS.PathJoin(s.opts.Dir, name), s.opts.FS)
	return err == nil && found.Exists && found.FormatMajorVersion == pebble.FormatDefault
}

// tablesIn lists the tables of all levels.
func tablesIn(levels [][]pebble.SSTableInfo) (tables []*table) {
	for level, infos := range levels {
		for _, i := range infos {
			t := &table{
				file: fmt.Sprintf("%06d.sst", i.FileNum), level: level, newest: uint64(i.LargestSeqNum),
				keys: Range{Low: bytes.Clone(i.Smallest.UserKey), High: append(bytes.Clone(i.Largest.UserKey), 0)},
			}
			if t.named = &i; i.Virtual {
				t.file, t.named = fmt.Sprintf("%06d.sst", i.BackingSSTNum), nil
			}
			tables = append(tables, t)
		}
	}
	return tables
}

func (s *Store) listTables(name string, o *pebble.Options) (levels [][]pebble.SSTableInfo, err error) {
	db, err := s.openDatabase(name, o)
	if err != nil {
		return nil, err
	}
	levels, err = db.SSTables()
	return levels, errors.Join(err, s.guard(db.Close))
}

// madeUp is a file system that lists files which are not there.
type madeUp struct {
	vfs.FS
	names []string
}

// List implements vfs.FS.
func (m *madeUp) List(dir string) ([]string, error) {
	names, err := m.FS.List(dir)
	return append(names, m.names...), err
}

// anyTables lists the tables that are there.
func (l *remainingSpace) anyTables() (tables []*table, err error) {
	names, err := substrate.ListPlain(l.opts.FS, l.dir)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, substrate.ErrDamaged) {
		return nil, nil
	}
	slices.Sort(names)
	for _, name := range names {
		if filepath.Ext(name) == ".sst" {
			tables = append(tables, &table{file: name, level: unknownLevel, newest: math.MaxUint64, keys: everyKey})
		}
	}
	return tables, err
}

// sort puts the tables into an order in which those of one level follow each other.
func (l *remainingSpace) sort() {
	slices.SortStableFunc(l.tables, func(a, b *table) int {
		if a.level != b.level {
			return a.level - b.level
		}
		return bytes.Compare(a.keys.Low, b.keys.Low)
	})
}

// load reads a table.
func (l *remainingSpace) load(t *table) (*contents, error) {
	data, err := readWhole(l.opts.FS, l.opts.FS.PathJoin(l.dir, t.file))
	c := &contents{table: t}
	switch damage, damaged := errors.AsType[*substrate.Damage](err); {
	case errors.Is(err, os.ErrNotExist):
		c.lose("it is missing")
		return c, nil
	case damaged:
		c.lose(damage.Detail)
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", t.file, err)
	}
	func() {
		defer func() {
			if p := recover(); p != nil { // Pebble panics on some of what has a good checksum
				c.lose(fmt.Sprint(p))
			}
		}()
		err = c.read(data, l.format)
	}()
	if err != nil {
		c.lose(words(err))
	}
	return c, nil
}

// narrow puts the rows that are withheld in the place of deletions that are lost: these
// can have deleted no other ones. Their entries are counted, for nobody knows how many
// deletions there were.
func (r *Remains) narrow() error {
	var narrowed []Lost
	for i := range r.Lost {
		l := &r.Lost[i]
		if !l.deletions {
			narrowed = append(narrowed, *l)
			continue
		}
		joined := false
		m := r.merge(l.Space, l.Range)
		m.withheld = func(c *candidate) {
			if m.deleted(c) || !l.mayReplace(c) {
				return
			}
			if !joined {
				narrowed = append(narrowed, *l)
				narrowed[len(narrowed)-1].Low, narrowed[len(narrowed)-1].Entries = bytes.Clone(c.key), 0
			}
			last := &narrowed[len(narrowed)-1]
			last.High = successor(c.key)
			last.Entries++
			joined = true
		}
		if err := m.run(func(_, _ []byte) bool { joined = false; return true }); err != nil {
			return err
		}
	}
	r.Lost = narrowed
	return nil
}

// merge begins to go through what is left of a range.
func (r *Remains) merge(space substrate.Space, keys Range) *merging {
	m := &merging{space: r.spaces[space], low: keys.Low, high: keys.High}
	for i := range r.Lost {
		if lost := &r.Lost[i]; lost.from != nil && lost.Overlaps(space, keys) {
			m.lost = append(m.lost, lost)
		}
	}
	return m
}

// Scan calls f for each row that is certain with low <= key < high, in order,
// until it returns false. It includes keys that are reserved.
func (r *Remains) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	m := r.merge(space, Range{low, high})
	if m.space == nil {
		return nil
	}
	if err := m.run(f); err != nil {
		return fmt.Errorf("salvage rows: %w", err)
	}
	return nil
}

// Get implements substrate.Reader, slowly.
func (r *Remains) Get(space substrate.Space, key []byte) (row []byte, err error) {
	err = r.Scan(space, key, append(bytes.Clone(key), 0), func(_, value []byte) bool { row = value; return false })
	return row, err
}

// StampOf is where the stamp of a partition is.
func StampOf(partition int) Range {
	key := stampKey(partition)
	return Range{Low: key, High: append(bytes.Clone(key), 0)}
}

// Stamps returns those that can be read.
func (r *Remains) Stamps() (map[int]substrate.Stamp, error) {
	stamps := map[int]substrate.Stamp{}
	err := r.Scan(substrate.Main, stampsLow, stampsHigh, func(key, value []byte) bool {
		if p, stamp, err := decodeStamp(key, value); err == nil {
			stamps[p] = stamp
		}
		return true
	})
	return stamps, err
}
