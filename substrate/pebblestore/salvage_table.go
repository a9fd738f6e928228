package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unknownLevel is that of a table which no manifest names.
const unknownLevel = -1

// table is a table of one database.
type table struct {
	file   string
	level  int
	newest uint64 // sequence number
	keys   Range
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
	holes   []Range
	missing int64 // entries that could not be read; -1: unknown
	detail  string
}

// item is an entry of a table.
type item struct {
	key, value []byte
	seq        uint64
	deleted    bool
}

// span is a deletion of a range.
type span struct {
	Range
	seq uint64
}

// lose gives up a whole table.
func (c *contents) lose(detail string) {
	*c = contents{table: c.table, holes: []Range{c.table.keys}, missing: -1, detail: detail}
}

// checkedBlocks is a table in memory that refuses blocks that are not whole, and
// notes which block of data was asked for first.
type checkedBlocks struct {
	data   []byte
	blocks []block.Handle
	bad    []bool
	first  int // -1: none
}

var errBadBlock = errors.New("a block is damaged")

// ReadAt implements objstorage.Readable.
func (m *checkedBlocks) ReadAt(_ context.Context, p []byte, off int64) error {
	if i, ok := m.find(off); ok {
		if m.first < 0 {
			m.first = i
		}
		if m.bad[i] {
			return errBadBlock
		}
	}
	if off < 0 || off+int64(len(p)) > int64(len(m.data)) {
		return io.ErrUnexpectedEOF
	}
	copy(p, m.data[off:])
	return nil
}

func (m *checkedBlocks) find(off int64) (int, bool) {
	return slices.BinarySearchFunc(m.blocks, uint64(off), func(h block.Handle, off uint64) int {
		switch {
		case h.Offset < off:
			return -1
		case h.Offset > off:
			return 1
		}
		return 0
	})
}

// Close implements objstorage.Readable.
func (*checkedBlocks) Close() error { return nil }

// Size implements objstorage.Readable.
func (m *checkedBlocks) Size() int64 { return int64(len(m.data)) }

// NewReadHandle implements objstorage.Readable.
func (m *checkedBlocks) NewReadHandle(objstorage.ReadBeforeSize) objstorage.ReadHandle {
	h := objstorage.MakeNoopReadHandle(m)
	return &h
}

// check looks at the checksum of each block of data.
func (m *checkedBlocks) check(r *sstable.Reader) error {
	layout, err := r.Layout()
	if err != nil {
		return err
	}
	for _, h := range layout.Data {
		m.bad = append(m.bad, !wholeBlock(m.data, h.Handle))
		m.blocks = append(m.blocks, h.Handle)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wholeBlock checks a block's checksum, which covers its type, too.
func wholeBlock(data []byte, h block.Handle) bool {
	if end := h.Offset + h.Length + block.TrailerLen; end < h.Offset || end > uint64(len(data)) {
		return false
	}
	body := data[h.Offset : h.Offset+h.Length+1]
	sum := crc32.Checksum(body, castagnoli)
	return binary.LittleEndian.Uint32(data[h.Offset+h.Length+1:]) == sum>>15|sum<<17+0xa282ead8
}

// read reads all of a table that is whole.
func (c *contents) read(data []byte, o sstable.ReaderOptions) (err error) {
	m := &checkedBlocks{data: data}
	r, err := sstable.NewReader(context.Background(), m, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := c.readSpans(r); err != nil {
		return err
	}
	if err := m.check(r); err != nil {
		return err
	}
	entries := int64(-1)
	if p, err := r.ReadPropertiesBlock(context.Background(), nil); err == nil {
		entries = int64(p.NumEntries) - int64(p.NumRangeDeletions)
	}
	low, open := c.table.keys.Low, false
	for i := 0; i < len(m.blocks); {
		end := i
		for end < len(m.blocks) && m.bad[end] == m.bad[i] {
			end++
		}
		if m.bad[i] {
			c.detail = fmt.Sprintf("block %d of %d, at offset %d, is damaged", i+1, len(m.blocks), m.blocks[i].Offset)
			i, open = end, true
			continue
		}
		run, err := readRun(r, m, i, end, low, c.table.keys.High)
		if err != nil {
			return err
		}
		if open = open || len(run) == 0; len(run) > 0 {
			c.add(m, r, run, low, open)
			low, open = append(bytes.Clone(run[len(run)-1].key), 0), false
		}
		i = end
	}
	if open {
		c.holes = append(c.holes, Range{low, c.table.keys.High})
	}
	if c.missing = -1; entries >= int64(len(c.items)) {
		c.missing = entries - int64(len(c.items))
	}
	return nil
}

// add adds what is between two places that are damaged. The block before it may
// have had a newer row of its first key.
func (c *contents) add(m *checkedBlocks, r *sstable.Reader, run []item, low []byte, hole bool) {
	if hole {
		high := run[0].key
		if at, err := landing(r, m, high); err != nil || at < len(m.bad) && m.bad[at] {
			high = append(bytes.Clone(high), 0)
		}
		c.holes = append(c.holes, Range{low, high})
	}
	c.items = append(c.items, run...)
}

func (c *contents) readSpans(r *sstable.Reader) error {
	it, err := r.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil || it == nil {
		return err
	}
	defer it.Close()
	s, err := it.First()
	for ; s != nil && err == nil; s, err = it.Next() {
		for _, k := range s.Keys {
			c.spans = append(c.spans, span{Range{bytes.Clone(s.Start), bytes.Clone(s.End)}, uint64(k.SeqNum())})
		}
	}
	return err
}

func newTableIter(r *sstable.Reader) (sstable.Iterator, error) {
	return r.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
}

// landing is the block that a search for a key looks into first; past all of them
// if the key is behind the last.
func landing(r *sstable.Reader, m *checkedBlocks, key []byte) (int, error) {
	it, err := newTableIter(r)
	if err != nil {
		return 0, err
	}
	m.first = -1
	it.SeekGE(key, 0)
	if err := unexpected(it.Close()); err != nil {
		return 0, err
	}
	if m.first < 0 {
		return len(m.blocks), nil
	}
	return m.first, nil
}

// readRun reads whole blocks between two that are not. The index, which has the
// way there, has no interface of its own: a key that leads into one of them is
// found by halving.
func readRun(r *sstable.Reader, m *checkedBlocks, from, to int, low, high []byte) (run []item, err error) {
	it, err := newTableIter(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = unexpected(errors.Join(err, it.Close())) }()
	if from == 0 {
		for kv := it.First(); kv != nil && err == nil; kv = it.Next() {
			run, err = appendItem(run, kv.K.UserKey, uint64(kv.SeqNum()), kv.Kind(), kv.Value)
		}
		return run, err
	}
	key, err := keyInto(r, m, from, to, low, high)
	if err != nil || key == nil {
		return nil, err
	}
	for kv := it.SeekLT(key, 0); kv != nil && err == nil; kv = it.Prev() {
		run, err = appendItem(run, kv.K.UserKey, uint64(kv.SeqNum()), kv.Kind(), kv.Value)
	}
	slices.Reverse(run)
	after, errAfter := newTableIter(r)
	if err = errors.Join(err, errAfter); err != nil {
		return nil, err
	}
	for kv := after.SeekGE(key, 0); kv != nil && err == nil; kv = after.Next() {
		run, err = appendItem(run, kv.K.UserKey, uint64(kv.SeqNum()), kv.Kind(), kv.Value)
	}
	return run, errors.Join(err, after.Close())
}

// unexpected drops the error of coming to a block that is known to be damaged.
func unexpected(err error) error {
	if errors.Is(err, errBadBlock) {
		return nil
	}
	return err
}

func appendItem(run []item, key []byte, seq uint64, kind pebble.InternalKeyKind, value func([]byte) ([]byte, bool, error)) ([]item, error) {
	i := item{key: bytes.Clone(key), seq: seq}
	switch kind {
	case pebble.InternalKeyKindSet, pebble.InternalKeyKindSetWithDelete:
		v, _, err := value(nil)
		if err != nil {
			return run, err
		}
		i.value = append([]byte{}, v...)
	case pebble.InternalKeyKindDelete, pebble.InternalKeyKindSingleDelete, pebble.InternalKeyKindDeleteSized:
		i.deleted = true
	default:
		return run, fmt.Errorf("an entry of kind %v", kind)
	}
	return append(run, i), nil
}

// keyInto finds a key for which a search begins in one of some blocks; nil if
// there is none.
func keyInto(r *sstable.Reader, m *checkedBlocks, from, to int, low, high []byte) ([]byte, error) {
	room := max(len(low), len(high)) + 64
	number := func(key []byte) *big.Int {
		return new(big.Int).SetBytes(append(bytes.Clone(key), make([]byte, room-len(key))...))
	}
	a, b := number(low), number(high)
	for new(big.Int).Sub(b, a).BitLen() > 1 {
		mid := new(big.Int).Add(a, b)
		mid.Rsh(mid, 1)
		key := mid.FillBytes(make([]byte, room))
		switch at, err := landing(r, m, key); {
		case err != nil:
			return nil, err
		case at < from:
			a = mid
		case at >= to:
			b = mid
		default:
			return key, nil
		}
	}
	return nil, nil
}

func readWhole(fs vfs.FS, name string) (data []byte, err error) {
	f, err := fs.Open(name)
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
