package pebblestore

import (
	"bytes"
	"cmp"
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

// A table that is whole may be another one of the same store, which somebody has
// put in its place. Its checksums are right. But the manifest says how long the
// right one is, and which are its first and its last entry.

// differs says what tells a table from the one that its manifest names; "" if
// nothing does.
func differs(size uint64, found edges, named *pebble.SSTableInfo) string {
	switch {
	case size != named.Size:
		return fmt.Sprintf("it is not the table that the manifest names: it has %d bytes, not %d", size, named.Size)
	case found.smallest != nil && !sameKey(*found.smallest, named.Smallest):
		return fmt.Sprintf("it is not the table that the manifest names: its first entry is %v, not %v", found.smallest, named.Smallest)
	case found.largest != nil && !sameKey(*found.largest, named.Largest):
		return fmt.Sprintf("it is not the table that the manifest names: its last entry is %v, not %v", found.largest, named.Largest)
	}
	return ""
}

// outside reports whether an entry cannot be of a table.
func outside(i item, named *pebble.SSTableInfo) bool {
	return bytes.Compare(i.key, named.Smallest.UserKey) < 0 || bytes.Compare(i.key, named.Largest.UserKey) > 0 ||
		i.seq < uint64(named.SmallestSeqNum) || i.seq > uint64(named.LargestSeqNum)
}

// edges are the first and the last entry of a table; nil if it cannot be read.
type edges struct{ smallest, largest *pebble.InternalKey }

func sameKey(a, b pebble.InternalKey) bool {
	return a.Trailer == b.Trailer && bytes.Equal(a.UserKey, b.UserKey)
}

// before is the order of entries: of one key the newest is first.
func before(a, b pebble.InternalKey) bool {
	if c := bytes.Compare(a.UserKey, b.UserKey); c != 0 {
		return c < 0
	}
	return cmp.Compare(a.Trailer, b.Trailer) > 0
}

// add takes up an entry.
func (b *edges) add(k pebble.InternalKey) {
	k = pebble.InternalKey{UserKey: bytes.Clone(k.UserKey), Trailer: k.Trailer}
	if b.smallest == nil || before(k, *b.smallest) {
		b.smallest = &k
	}
	if b.largest == nil || before(*b.largest, k) {
		b.largest = &k
	}
}

// edgesOf reads the first and the last entry of a table. Rows lie between them,
// and so do deletions of ranges, of which there are few.
func edgesOf(r *sstable.Reader) (b edges, err error) {
	it, err := r.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return b, err
	}
	if kv := it.First(); kv != nil {
		b.add(kv.K)
	}
	err = it.Error() // another move would forget it
	if kv := it.Last(); kv != nil {
		b.add(kv.K)
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return edges{}, err
	}
	spans, err := r.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil || spans == nil {
		return b, err
	}
	defer spans.Close()
	s, err := spans.First()
	for ; s != nil && err == nil; s, err = spans.Next() {
		b.add(s.SmallestKey())
		b.add(s.LargestKey())
	}
	return b, err
}

// verifyEach looks at each table of a database by itself: at the checksums of all of its
// blocks, also of those from which no row is read, and whether it is the one that the
// manifest names.
func (s *Store) verifyEach(name string, db *pebble.DB, o *pebble.Options, found func(*substrate.Damage)) error {
	if db == nil {
		return nil
	}
	levels, err := db.SSTables()
	if err != nil {
		return s.explain(err)
	}
	o.EnsureDefaults()
	read := o.MakeReaderOptions()
	for _, level := range levels {
		for _, table := range level {
			if table.Virtual {
				continue // a part of a table
			}
			file := fmt.Sprintf("%s/%06d.sst", name, table.FileNum)
			data, err := readWhole(s.opts.FS, s.opts.FS.PathJoin(s.opts.Dir, file))
			if err != nil {
				return s.explain(err)
			}
			if damage := checkTable(data, read, &table); damage != nil {
				damage.File = file
				found(damage)
			}
		}
	}
	return nil
}

// CheckTable reads a whole table and looks at the checksums of all of its blocks. A
// damaged one is a substrate.Damage without a file; other errors say that it could
// not be read. Whose table it is, and whether it is the right one, is not looked at.
func CheckTable(fsys vfs.FS, path string) error {
	data, err := readWhole(fsys, path)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	o := &pebble.Options{}
	o.EnsureDefaults()
	if damage := checkTable(data, o.MakeReaderOptions(), nil); damage != nil {
		return damage
	}
	return nil
}

// checkTable returns what is wrong with a table, also that it is not the one that is
// named, if one is; nil if nothing is.
func checkTable(data []byte, o sstable.ReaderOptions, named *pebble.SSTableInfo) (damage *substrate.Damage) {
	broken := func(err error) *substrate.Damage {
		return &substrate.Damage{Kind: "crc", Offset: offsetOf(err.Error(), int64(len(data))), Detail: words(err)}
	}
	defer func() {
		if p := recover(); p != nil { // Pebble panics on some of what has a good checksum
			damage = broken(fmt.Errorf("%v", p))
		}
	}()
	r, err := sstable.NewReader(context.Background(), tableBytes(data), o)
	if err != nil {
		return broken(err)
	}
	defer r.Close() // it has nothing that could fail
	layout, err := r.Layout()
	if err != nil {
		return broken(err)
	}
	for _, b := range allBlocks(layout) {
		if b.Length > 0 && !wholeBlock(data, b.Handle) {
			return &substrate.Damage{Kind: "crc", Offset: int64(b.Offset), Detail: fmt.Sprintf("%s, %d bytes, is not what was written", b.Name, b.Length)}
		}
	}
	found, err := edgesOf(r)
	if err != nil {
		return broken(err)
	}
	if named == nil {
		return nil
	}
	if detail := differs(uint64(len(data)), found, named); detail != "" {
		return &substrate.Damage{Kind: "chain", Detail: detail}
	}
	return nil
}

// allBlocks lists the blocks of a table.
func allBlocks(l *sstable.Layout) (all []sstable.NamedBlockHandle) {
	add := func(name string, h block.Handle) {
		all = append(all, sstable.NamedBlockHandle{Name: name, Handle: h})
	}
	for i, h := range l.Data {
		add(fmt.Sprintf("block %d of %d with rows", i+1, len(l.Data)), h.Handle)
	}
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
