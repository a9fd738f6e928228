package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
)

// parts is what can be told of a table.
type parts struct {
	data   []byte
	schema *colblk.KeySchema
	broken error // why Pebble cannot read the table; nil if it can

	chunks  []chunk        // the blocks of data that are whole, in order
	indexed bool           // there is an index, which lists
	blocks  []block.Handle // all blocks of data
	end     int            // where these end; -1: nothing tells

	spans      []span
	spansEdges edges
	spansKnown bool // else there may be deletions of ranges that cannot be read

	filter tableFilter // of all keys; nil: there is none that can be read

	described bool // there are properties:
	user      map[string]string
	entries   int64 // of single keys; -1: nothing tells
}

// takeApart finds out what there is of a table: from its own description, as far as
// that can be read, and by the looks of its blocks.
func takeApart(data []byte, o sstable.ReaderOptions, schema *colblk.KeySchema) *parts {
	p := &parts{data: data, schema: schema, end: -1, entries: -1}
	if p.broken = p.describe(o); p.broken != nil {
		p.seek()
	}
	if !p.indexed {
		p.chunks = newSeeker(data).rows(schema)
	}
	for _, h := range p.blocks {
		if !wholeBlock(data, h) {
			continue
		}
		if c, err := readChunk(data, h, schema); err == nil {
			p.chunks = append(p.chunks, c)
		}
	}
	return p
}

// describe reads what a table says of itself.
func (p *parts) describe(o sstable.ReaderOptions) (err error) {
	defer func() {
		if v := recover(); v != nil { // Pebble panics on some of what has a good checksum
			err = fmt.Errorf("%v", v)
		}
	}()
	r, err := sstable.NewReader(context.Background(), tableBytes(p.data), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	found, err := r.ReadPropertiesBlock(context.Background(), nil)
	if err != nil {
		return err
	}
	p.note(found.UserProperties, found.NumEntries, found.NumRangeDeletions, found.DataSize)
	p.spansKnown = false // they are not only counted
	err = p.readSpans(r)
	layout, errIndex := r.Layout()
	if errIndex == nil {
		p.indexed = true
		if h, ok := layout.FilterByName(filterName); ok {
			p.readFilter(h)
		}
		for _, h := range layout.Data {
			p.blocks = append(p.blocks, h.Handle)
		}
	}
	return errors.Join(err, errIndex)
}

// note takes up properties.
func (p *parts) note(user map[string]string, entries, ranges, size uint64) {
	p.described, p.user = true, user
	p.spansKnown = p.spansKnown || ranges == 0
	if entries >= ranges && entries < maxTable {
		p.entries = int64(entries - ranges)
	}
	if size <= uint64(len(p.data)) {
		p.end = int(size)
	}
}

func (p *parts) readSpans(r *sstable.Reader) error {
	it, err := r.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil {
		return err
	}
	if it == nil {
		p.spansKnown = true
		return nil
	}
	defer it.Close()
	return p.addSpans(it)
}

// fragments are deletions of ranges.
type fragments interface {
	First() (*sstable.Span, error)
	Next() (*sstable.Span, error)
}

func (p *parts) addSpans(it fragments) error {
	var spans []span
	var found edges
	s, err := it.First()
	for ; s != nil && err == nil; s, err = it.Next() {
		found.add(s.SmallestKey())
		found.add(s.LargestKey())
		for _, k := range s.Keys {
			spans = append(spans, span{Range{bytes.Clone(s.Start), bytes.Clone(s.End)}, uint64(k.SeqNum())})
		}
	}
	if err == nil {
		p.spans, p.spansEdges, p.spansKnown = spans, found, true
	}
	return err
}

// seek looks for what the table's own description does not lead to.
func (p *parts) seek() {
	after := -1
	if !p.indexed {
		if blocks, end, ok := newSeeker(p.data).index(); ok {
			p.indexed, p.blocks, p.end, after = true, blocks, adjoining(blocks), end
		}
	}
	names, ok := p.names()
	if ok {
		p.readFilter(names[filterName])
	}
	if p.described {
		return
	}
	if ok {
		p.readNamed(names)
		return
	}
	for s := newSeeker(p.data); after >= 0; {
		h, ok := s.at(after, len(p.data))
		if !ok {
			return
		}
		p.readUnnamed(h)
		after = blockEnd(h)
	}
}

// Names of blocks in the one that has the names.
const (
	propertiesName = "rocksdb.properties"
	rangesName     = "rocksdb.range_del2"
	filterName     = "fullfilter.rocksdb.BuiltinBloomFilter"
)

// maxNames is more than the block of names has.
const maxNames = 4 << 10

// names finds the block that says where the blocks other than those of data are. The
// footer begins where it ends.
func (p *parts) names() (map[string]block.Handle, bool) {
	end := len(p.data) - sstable.TableFormatPebblev6.FooterSize() - block.TrailerLen
	for begin := end - 1; begin >= max(0, end-maxNames); begin-- {
		h := block.Handle{Offset: uint64(begin), Length: uint64(end - begin)}
		if !wholeBlock(p.data, h) {
			continue
		}
		if content, err := unpack(p.data, h); err == nil && namesShape.fits(content) {
			return readNames(content)
		}
	}
	return nil, false
}

func readNames(content []byte) (names map[string]block.Handle, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			names, ok = nil, false
		}
	}()
	var d colblk.KeyValueBlockDecoder
	d.Init(content)
	names = map[string]block.Handle{}
	for key, value := range d.All() {
		h, n := block.DecodeHandle(value)
		if n == 0 {
			return nil, false
		}
		names[string(key)] = h
	}
	_, ok = names[propertiesName]
	return names, ok
}

func (p *parts) readNamed(names map[string]block.Handle) {
	if h := names[propertiesName]; wholeBlock(p.data, h) {
		if content, err := unpack(p.data, h); err == nil {
			p.readProperties(content)
		}
	}
	h, some := names[rangesName]
	if !some {
		p.spansKnown = true
	} else if p.spansKnown = false; wholeBlock(p.data, h) {
		if content, err := unpack(p.data, h); err == nil {
			p.readSpansOf(content)
		}
	}
}

// readUnnamed reads a block by the looks of it.
func (p *parts) readUnnamed(h block.Handle) {
	content, err := unpack(p.data, h)
	switch {
	case err != nil:
	case spansShape.fits(content):
		p.readSpansOf(content)
	default:
		p.readProperties(content)
	}
}

// readSpansOf reads the block of the deletions of ranges.
func (p *parts) readSpansOf(content []byte) {
	defer func() { _ = recover() }() // then they cannot be read
	if !spansShape.fits(content) {
		return
	}
	var pool block.BufferPool
	pool.Init(1)
	defer pool.Release()
	v := block.Alloc(len(content), &pool)
	copy(v.BlockData(), content)
	if err := colblk.InitKeyspanBlockMetadata(v.BlockMetadata(), v.BlockData()); err != nil {
		v.Release()
		return
	}
	it := colblk.NewKeyspanIter(bytes.Compare, v.MakeHandle(), sstable.NoFragmentTransforms)
	defer it.Close()
	_ = p.addSpans(it) // those of a block in memory are read
}

// readProperties reads the properties of the table, if it is these that a block has.
func (p *parts) readProperties(content []byte) {
	found, ok := readPairs(content)
	number := func(name string) uint64 {
		n, size := binary.Uvarint([]byte(found[name]))
		ok = ok && size > 0 && size == len(found[name])
		return n
	}
	entries, ranges, size := number("rocksdb.num.entries"), number("rocksdb.num.range-deletions"), number("rocksdb.data.size")
	if ok {
		p.note(found, entries, ranges, size)
	}
}

// readPairs reads the names and values of a block of properties, of which each name
// begins with so many bytes of the one before.
func readPairs(content []byte) (map[string]string, bool) {
	if len(content) < 8 {
		return nil, false
	}
	restarts := uint64(binary.LittleEndian.Uint32(content[len(content)-4:]))
	if restarts == 0 || 4*(restarts+1) > uint64(len(content)) {
		return nil, false
	}
	found := map[string]string{}
	var name []byte
	for rest := content[:len(content)-int(4*(restarts+1))]; len(rest) > 0; {
		var lengths [3]uint64
		for i := range lengths {
			n, size := binary.Uvarint(rest)
			if size <= 0 || n > uint64(len(content)) {
				return nil, false
			}
			lengths[i], rest = n, rest[size:]
		}
		shared, own, size := lengths[0], lengths[1], lengths[2]
		if shared > uint64(len(name)) || own+size > uint64(len(rest)) {
			return nil, false
		}
		name = append(name[:shared], rest[:own]...)
		found[string(name)] = string(rest[own : own+size])
		rest = rest[own+size:]
	}
	return found, true
}

// tableBytes is a table in memory.
type tableBytes []byte

// ReadAt implements objstorage.Readable.
func (m tableBytes) ReadAt(_ context.Context, p []byte, off int64) error {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return io.ErrUnexpectedEOF
	}
	copy(p, m[off:])
	return nil
}

// Close implements objstorage.Readable.
func (tableBytes) Close() error { return nil }

// Size implements objstorage.Readable.
func (m tableBytes) Size() int64 { return int64(len(m)) }

// NewReadHandle implements objstorage.Readable.
func (m tableBytes) NewReadHandle(objstorage.ReadBeforeSize) objstorage.ReadHandle {
	h := objstorage.MakeNoopReadHandle(m)
	return &h
}
