package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// unknownLevel is that of a table which no manifest names.
const unknownLevel = -1

// table is a table of one database.
type table struct {
	file   string
	level  int
	newest uint64 // sequence number
	keys   Range
	named  *pebble.SSTableInfo // by its manifest; nil if that is not known, or it is a part of a table
}

// newer reports whether what a table has lost may be newer than a row: levels
// are in the order of time, level 0 is by numbers.
func (t *table) newer(than *table, seq uint64) bool {
	switch {
	case t == than:
		return true
	case t.level == unknownLevel || t.level == 0 && than.level == 0:
		return t.newest > seq
	}
	return t.level < than.level
}

// contents is what is read of a table.
type contents struct {
	table   *table
	items   []item // in order; of one key the newest first
	spans   []span
	unsure  string // why there may be more spans; "" if there are not
	filter  tableFilter
	holes   []hole
	missing int64 // entries that could not be read; -1: unknown
}

// span is a deletion of a range.
type span struct {
	Range
	seq uint64
}

// hole is a range of keys that could not be read.
type hole struct {
	Range
	detail string
}

// lose gives up a whole table.
func (c *contents) lose(detail string) {
	*c = contents{table: c.table, holes: []hole{{c.table.keys, detail}}, missing: -1}
}

// format is how the tables of a database are read, and written.
type format struct {
	opts   *pebble.Options
	read   sstable.ReaderOptions
	schema *colblk.KeySchema
	hub    [16]byte
}

func newFormat(o *pebble.Options, hub [16]byte) format {
	o.EnsureDefaults()
	return format{opts: o, read: o.MakeReaderOptions(), schema: o.KeySchemas[o.KeySchema], hub: hub}
}

// read reads all of a table that is whole.
func (c *contents) read(data []byte, f format) error {
	p := takeApart(data, f.read, f.schema)
	if detail := foreignTable(p.user, f.hub); detail != "" {
		return errors.New(detail)
	}
	if detail := p.unlike(c.table.named, f.hub); detail != "" {
		return errors.New(detail)
	}
	p.spansKnown = p.spansKnown || p.hadNoDeletions(c.table, f.opts)
	return c.assemble(p)
}

// assemble puts together the blocks that are whole. Between two that do not follow each
// other are the keys between their rows. The first row behind may have a newer entry
// there: then it is marked as replaced.
func (c *contents) assemble(p *parts) error {
	c.filter = p.filter
	if c.spans = p.spans; !p.spansKnown {
		c.unsure = fmt.Sprintf("its deletions of ranges cannot be read: %s", words(p.broken))
	}
	low, at := c.table.keys.Low, 0
	for _, k := range p.chunks {
		first := &k.items[0]
		if n := len(c.items); n > 0 && !before(c.items[n-1].internalKey(), first.internalKey()) {
			return errors.New("its blocks are in no order")
		}
		if k.begin != at {
			high := first.key
			if first.replaced {
				high = successor(high)
			}
			c.miss(low, high, p.gap(at, k.begin))
		}
		c.items = append(c.items, k.items...)
		low, at = successor(k.items[len(k.items)-1].key), k.end
	}
	if at != p.end {
		c.miss(low, c.table.keys.High, p.gap(at, p.end))
	}
	if named := c.table.named; named != nil && slices.ContainsFunc(c.items, func(i item) bool { return outside(i, named) }) {
		return errors.New("it is not the table that the manifest names: it has an entry that is not of it")
	}
	if c.missing = -1; p.entries >= int64(len(c.items)) {
		c.missing = p.entries - int64(len(c.items))
	}
	if c.missing == 0 {
		c.holes = nil // all entries are there
	}
	return nil
}

func (c *contents) miss(low, high []byte, detail string) {
	if bytes.Compare(low, high) < 0 {
		c.holes = append(c.holes, hole{Range{low, high}, detail})
	}
}

// successor is the first key behind another one.
func successor(key []byte) []byte { return append(bytes.Clone(key), 0) }

// gap says what is wrong between two places of a table, of which the second may be -1.
func (p *parts) gap(from, to int) string {
	i := slices.IndexFunc(p.blocks, func(h block.Handle) bool { return h.Offset == uint64(from) })
	switch {
	case i >= 0:
		return fmt.Sprintf("block %d of %d, at offset %d, is damaged", i+1, len(p.blocks), from)
	case to < 0:
		return fmt.Sprintf("its index is damaged, and no block of rows is whole from offset %d on", from)
	}
	return fmt.Sprintf("its index is damaged, and no block of rows is whole from offset %d to %d", from, to)
}

// unlike says what tells a table from the one that its manifest names; "" if nothing
// does. If it does not describe itself, something has to tell that it is that one.
func (p *parts) unlike(named *pebble.SSTableInfo, hub [16]byte) string {
	if named == nil {
		if !p.described && hub != ([16]byte{}) {
			return fmt.Sprintf("nothing tells whose table it is: %s", words(p.broken))
		}
		return ""
	}
	size := uint64(len(p.data))
	cut := p.broken != nil && size < named.Size
	if cut {
		size = named.Size
	}
	found := p.edges(named)
	if detail := differs(size, found, named); detail != "" {
		return detail
	}
	if (cut || !p.described) && found.smallest == nil && found.largest == nil {
		return fmt.Sprintf("nothing tells that it is the table that the manifest names: %s", words(p.broken))
	}
	return ""
}

// edges are the first and the last entry of the table, as far as it is certain that
// they are.
func (p *parts) edges(named *pebble.SSTableInfo) (found edges) {
	var first, last *pebble.InternalKey
	if n := len(p.chunks); n > 0 {
		items := p.chunks[n-1].items
		a, b := p.chunks[0].items[0].internalKey(), items[len(items)-1].internalKey()
		if first = &a; p.chunks[0].begin > 0 {
			first = nil
		}
		if p.end < 0 && isRow(named.Largest) && sameKey(b, named.Largest) {
			p.end = p.chunks[n-1].end // none comes after it
		}
		if last = &b; p.chunks[n-1].end != p.end {
			last = nil
		}
	}
	found = p.spansEdges
	if found.smallest == nil || first != nil && before(*first, *found.smallest) {
		found.smallest = first
	}
	if found.largest == nil || last != nil && before(*found.largest, *last) {
		found.largest = last
	}
	if first == nil && p.end != 0 || !p.spansKnown && !isRow(named.Smallest) {
		found.smallest = nil
	}
	if last == nil && p.end != 0 || !p.spansKnown && !isRow(named.Largest) {
		found.largest = nil
	}
	return found
}

// isRow reports whether an entry is none of a range.
func isRow(k pebble.InternalKey) bool { return k.Kind() != pebble.InternalKeyKindRangeDelete }

func readWhole(fs vfs.FS, name string) (data []byte, err error) {
	f, err := substrate.OpenPlain(fs, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data = make([]byte, info.Size())
	if len(data) > 0 {
		_, err = f.ReadAt(data, 0)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}
