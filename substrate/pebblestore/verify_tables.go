package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// hurtBlock is damage of a table, and where its keys lie; nil if that is nowhere in
// particular.
type hurtBlock struct {
	*substrate.Damage
	keys *Range
}

// mostNamed is how many damaged blocks of one table are named one by one.
const mostNamed = 16

// verifyTables adds the tables to a report that are damaged, others than their manifest
// names, or of other hubs, unless that is named already.
func (s *Store) verifyTables(r *Report, all []Range, made map[string]bool) error {
	for _, d := range []struct {
		name string
		db   *pebble.DB
		opts *pebble.Options
	}{{mainDir, s.main, s.mainOptions()}, {historyDir, s.history, s.historyOptions()}} {
		if err := s.verifyEach(r, all, d.name, d.db, d.opts); err != nil {
			return err
		}
		if !made[d.name] {
			continue
		}
		err := s.foreign(d.name, d.db)
		damage, ok := errors.AsType[*substrate.Damage](err)
		switch {
		case !ok && err != nil:
			return err
		case ok && (damage.Kind == "foreign" || len(r.Damage) == 0):
			r.add(-1, damage)
		}
	}
	return nil
}

// verifyEach looks at each table of a database by itself: at the checksums of all of its
// blocks, also of those from which no row is read, and whether it is the one that the
// manifest names.
func (s *Store) verifyEach(r *Report, all []Range, name string, db *pebble.DB, o *pebble.Options) error {
	tables, listed, err := s.tablesOf(name, db)
	if err != nil {
		return err
	}
	o.EnsureDefaults()
	read, seen := o.MakeReaderOptions(), map[string]bool{}
	for _, t := range tables {
		file := name + "/" + t.file
		if seen[file] || db == nil && r.names(file) {
			continue // it is what keeps the database from being opened
		}
		seen[file] = true
		data, err := readWhole(s.opts.FS, s.opts.FS.PathJoin(s.opts.Dir, file))
		if err = s.explain(err); err != nil {
			damage, ok := errors.AsType[*substrate.Damage](err)
			if !ok {
				return err
			}
			in := *damage
			in.File = file
			r.add(-1, &in)
			continue
		}
		for _, h := range checkTable(data, read, t.named) {
			if h.File = file; !listed {
				h.Detail += "; nothing tells whether the table belongs to the database"
			}
			r.addIn(all, h)
		}
	}
	return nil
}

// tablesOf lists the tables of a database. One that is not opened, since some table is
// missing or not as long as it should be, still has a manifest, unless it is that: then
// they are the tables that are there, and nothing lists which of them belong to it.
func (s *Store) tablesOf(name string, db *pebble.DB) (tables []*table, listed bool, err error) {
	if db != nil {
		levels, err := db.SSTables()
		return tablesIn(levels), true, s.explain(err)
	}
	other := newStore(s.opts)
	defer other.abandon()
	o := other.mainOptions()
	if name == historyDir {
		o = other.historyOptions()
	}
	tables, err = other.liveTables(name, o)
	if err == nil || errors.Is(err, substrate.ErrNewerFormat) || errors.Is(err, substrate.ErrFailed) {
		return tables, true, err
	}
	// Why it cannot be opened is named.
	left := &remainingSpace{opts: s.opts, dir: s.opts.FS.PathJoin(s.opts.Dir, name)}
	tables, err = left.anyTables()
	return tables, false, err
}

// names reports whether some damage of a file is named.
func (r *Report) names(file string) bool {
	for _, d := range r.Damage {
		if d.File == file {
			return true
		}
	}
	return false
}

// add names damage in a range, unless it is named there, or for none in particular.
func (r *Report) add(in int, damage *substrate.Damage) {
	for _, d := range r.Damage {
		if d.File == damage.File && d.Offset == damage.Offset && d.Kind == damage.Kind && (in < 0 || d.Range < 0 || d.Range == in) {
			return
		}
	}
	r.Damage = append(r.Damage, Damage{Range: in, Damage: damage})
}

// addIn names damage in each of the ranges in which its keys lie.
func (r *Report) addIn(all []Range, h hurtBlock) {
	found := false
	for i, keys := range all {
		if h.keys != nil && bytes.Compare(h.keys.Low, keys.High) < 0 && bytes.Compare(keys.Low, h.keys.High) < 0 {
			r.add(i, h.Damage)
			found = true
		}
	}
	if !found {
		r.add(-1, h.Damage)
	}
}

// CheckTable reads a whole table and looks at the checksums of all of its blocks. The
// first that is damaged is a substrate.Damage without a file; other errors say that it could
// not be read. Whose table it is, and whether it is the right one, is not looked at.
func CheckTable(fsys vfs.FS, path string) error {
	data, err := readWhole(fsys, path)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	o := &pebble.Options{}
	o.EnsureDefaults()
	if found := checkTable(data, o.MakeReaderOptions(), nil); len(found) > 0 {
		return found[0].Damage
	}
	return nil
}

// checkTable returns what is wrong with a table, also that it is not the one that is
// named, if one is.
func checkTable(data []byte, o sstable.ReaderOptions, named *pebble.SSTableInfo) (found []hurtBlock) {
	broken := func(err error) []hurtBlock {
		detail := strings.ReplaceAll(words(err), "file 000000: ", "") // Pebble does not know which it is
		hurt := &substrate.Damage{Kind: "crc", Offset: offsetOf(err.Error(), int64(len(data))), Detail: detail}
		return append([]hurtBlock{{Damage: hurt}}, soughtDamage(data)...)
	}
	defer func() {
		if p := recover(); p != nil { // Pebble panics on some of what has a good checksum
			found = broken(fmt.Errorf("%v", p))
		}
	}()
	if named != nil && uint64(len(data)) != named.Size {
		short := &substrate.Damage{Kind: "short", Offset: min(int64(len(data)), int64(named.Size)), Detail: differs(uint64(len(data)), edges{}, named)}
		return []hurtBlock{{Damage: short}}
	}
	r, err := sstable.NewReader(context.Background(), tableBytes(data), o)
	if err != nil {
		return broken(err)
	}
	defer r.Close() // it has nothing that could fail
	layout, err := r.Layout()
	if err != nil {
		return broken(err)
	}
	if found = damagedBlocks(data, allBlocks(data, layout)); len(found) > 0 {
		return found
	}
	edges, err := edgesOf(r)
	if err != nil {
		return broken(err)
	}
	if named == nil {
		return nil
	}
	if detail := differs(uint64(len(data)), edges, named); detail != "" {
		return []hurtBlock{{Damage: &substrate.Damage{Kind: "chain", Detail: detail}}}
	}
	return nil
}

// namedBlock is a block of a table.
type namedBlock struct {
	block.Handle
	name string
	keys *Range // of its rows; nil: it has none, or nothing tells
}

// damagedBlocks names the blocks that are not what was written: each of the first ones,
// and then how many there are besides.
func damagedBlocks(data []byte, blocks []namedBlock) (found []hurtBlock) {
	hurt := func(b namedBlock, detail string) hurtBlock {
		return hurtBlock{&substrate.Damage{Kind: "crc", Offset: int64(b.Offset), Detail: detail}, b.keys}
	}
	more := 0
	for _, b := range blocks {
		if b.Length == 0 || wholeBlock(data, b.Handle) {
			continue
		}
		if len(found) < mostNamed {
			found = append(found, hurt(b, fmt.Sprintf("%s, %d bytes, is not what was written", b.name, b.Length)))
			continue
		}
		if more++; more == 1 {
			found = append(found, hurt(b, ""))
		}
		last := &found[mostNamed]
		last.Detail = fmt.Sprintf("from here on %d more of the table's blocks are not what was written", more)
		if last.keys == nil || b.keys == nil {
			last.keys = nil
		} else {
			last.keys = &Range{Low: last.keys.Low, High: b.keys.High}
		}
	}
	return found
}

// allBlocks lists the blocks of a table.
func allBlocks(data []byte, l *sstable.Layout) (all []namedBlock) {
	add := func(name string, h block.Handle) { all = append(all, namedBlock{h, name, nil}) }
	for i, h := range l.Data {
		add(fmt.Sprintf("block %d of %d with rows", i+1, len(l.Data)), h.Handle)
	}
	locate(data, all, l.Index)
	for _, h := range append([]block.Handle{l.TopIndex}, l.Index...) {
		add("the index", h)
	}
	for _, h := range l.Filter {
		add("the filter", h.Handle)
	}
	for _, h := range append([]block.Handle{l.ValueIndex}, l.ValueBlock...) {
		add("a block of values", h)
	}
	add("the deletions of ranges", l.RangeDel)
	add("the block of properties", l.Properties)
	add("the block of names", l.MetaIndex)
	return all
}

// locate finds out from the index between which keys the rows of each block lie.
func locate(data []byte, blocks []namedBlock, index []block.Handle) {
	var low []byte
	n := 0
	for _, h := range index {
		content, err := unpack(data, h)
		if err == nil {
			err = eachIndexed(content, func(_ block.Handle, last []byte) {
				if n < len(blocks) {
					high := successor(last)
					blocks[n].keys = &Range{Low: low, High: high}
					low, n = high, n+1
				}
			})
		}
		if err != nil {
			return
		}
	}
}

// soughtDamage looks through a table that does not lead to its blocks: those that an index
// lists, or without one what lies between those that are whole.
func soughtDamage(data []byte) []hurtBlock {
	var found []namedBlock
	blocks, _, listed := newSeeker(data).index()
	for i, h := range blocks {
		found = append(found, namedBlock{h, fmt.Sprintf("block %d of %d with rows", i+1, len(blocks)), nil})
	}
	if listed {
		return damagedBlocks(data, found)
	}
	at := 0
	gap := func(to int) {
		if to > at+block.TrailerLen {
			h := block.Handle{Offset: uint64(at), Length: uint64(to - at - block.TrailerLen)}
			found = append(found, namedBlock{h, fmt.Sprintf("what lies here up to %d", to), nil})
		}
	}
	newSeeker(data).each(func(h block.Handle) bool {
		gap(int(h.Offset))
		at = blockEnd(h)
		return false
	})
	gap(len(data) - sstable.TableFormatPebblev6.FooterSize())
	return damagedBlocks(data, found)
}

// offsetOf is where in a table the damage is that Pebble tells of, in words; 0 if it
// does not say.
func offsetOf(text string, size int64) int64 {
	if found := damagedBlock.FindStringSubmatch(text); found != nil {
		if offset, err := strconv.ParseInt(found[1], 10, 64); err == nil {
			return offset
		}
	}
	if strings.Contains(text, "invalid table") { // it is the footer that is
		return max(0, size-int64(sstable.TableFormatPebblev6.FooterSize()))
	}
	return 0
}
