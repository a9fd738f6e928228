package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
)

// A table is a series of blocks without gaps: first those of data, then the index of
// these, and behind it what else there is to know. Behind each block are its
// compression and a checksum of both. So a block can be found where nothing says how
// long it is: its end is where the checksum is right.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is a checksum as Pebble writes it.
func masked(sum uint32) uint32 { return (sum>>15 | sum<<17) + 0xa282ead8 }

// wholeBlock checks a block's checksum, which covers its compression, too.
func wholeBlock(data []byte, h block.Handle) bool {
	if end := h.Offset + h.Length + block.TrailerLen; h.Length > uint64(len(data)) || end < h.Offset || end > uint64(len(data)) {
		return false
	}
	sum := crc32.Checksum(data[h.Offset:h.Offset+h.Length+1], castagnoli)
	return binary.LittleEndian.Uint32(data[h.Offset+h.Length+1:]) == masked(sum)
}

// blockEnd is where the next block begins.
func blockEnd(h block.Handle) int { return int(h.Offset + h.Length + block.TrailerLen) }

// compressed reports whether a byte names a compression that tables have.
func compressed(kind byte) bool {
	switch block.CompressionIndicator(kind) {
	case block.NoCompressionIndicator, block.SnappyCompressionIndicator, block.ZstdCompressionIndicator, block.MinLZCompressionIndicator:
		return true
	}
	return false
}

// maxContent bounds a block: one has a row more than it was to have, and a row is part
// of a record of the log.
const maxContent = 256 << 20

var errNoContent = errors.New("the block cannot be decompressed")

// unpack returns the content of a block whose checksum is right.
func unpack(data []byte, h block.Handle) (content []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			content, err = nil, fmt.Errorf("%w: %v", errNoContent, p)
		}
	}()
	body, kind := data[h.Offset:h.Offset+h.Length], data[h.Offset+h.Length]
	if !compressed(kind) {
		return nil, errNoContent
	}
	how := block.CompressionIndicator(kind)
	if how == block.NoCompressionIndicator {
		return append(make([]byte, 0, len(body)), body...), nil // at an address that decoders like
	}
	size, err := block.DecompressedLen(how, body)
	if err != nil || size <= 0 || size > maxContent {
		return nil, errNoContent
	}
	content = make([]byte, size)
	return content, block.DecompressInto(how, body, content)
}

// shape is what tells one kind of columnar block from another.
type shape struct {
	before int // bytes before the head
	types  []colblk.DataType
}

var (
	rowsShape = shape{4, []colblk.DataType{
		colblk.DataTypePrefixBytes, colblk.DataTypeBytes, colblk.DataTypeUint, colblk.DataTypeBool,
		colblk.DataTypeBytes, colblk.DataTypeBool, colblk.DataTypeBool,
	}}
	indexShape = shape{0, []colblk.DataType{colblk.DataTypeBytes, colblk.DataTypeUint, colblk.DataTypeUint, colblk.DataTypeBytes}}
	spansShape = shape{4, []colblk.DataType{
		colblk.DataTypeBytes, colblk.DataTypeUint, colblk.DataTypeUint, colblk.DataTypeBytes, colblk.DataTypeBytes,
	}}
	namesShape = shape{0, []colblk.DataType{colblk.DataTypeBytes, colblk.DataTypeBytes}}
)

// The head of a columnar block: version, number of columns, number of rows; then type
// and place of each column.
const (
	headBytes   = 7
	columnBytes = 5
)

// Columns of a block of data, behind the two of the keys. Values of rows that the same
// table replaces lie elsewhere: nobody needs them.
const (
	trailerColumn = 2 + iota
	_
	valueColumn
	elsewhereColumn
	replacedColumn
)

// fits reports whether a content has a shape. Pebble's decoders do not look where they
// read: this keeps them from what is none of theirs.
func (s shape) fits(content []byte) bool { return s.heads(content, len(content)) }

// heads reports whether some bytes begin with the head of a block of a shape that is
// not longer than size.
func (s shape) heads(b []byte, size int) bool {
	head := s.before + headBytes + columnBytes*len(s.types)
	if len(b) <= head {
		return false
	}
	h := colblk.DecodeHeader(b[s.before:])
	if h.Version != colblk.Version1 || int(h.Columns) != len(s.types) || uint64(h.Rows) > uint64(size) {
		return false
	}
	last := uint32(head)
	for i, want := range s.types {
		column := b[s.before+headBytes+columnBytes*i:]
		begin := binary.LittleEndian.Uint32(column[1:])
		if colblk.DataType(column[0]) != want || begin < last || uint64(begin) >= uint64(size) {
			return false
		}
		last = begin
	}
	return true
}

// item is an entry of a table.
type item struct {
	key, value []byte
	seq        uint64
	trailer    pebble.InternalKeyTrailer
	deleted    bool
	replaced   bool // by a newer entry, or the deletion of a range, of the same table
}

func (i *item) internalKey() pebble.InternalKey {
	return pebble.InternalKey{UserKey: i.key, Trailer: i.trailer}
}

// chunk is a block of data that is whole.
type chunk struct {
	begin, end int // in the table, with its checksum
	items      []item
}

var errNoRows = errors.New("the block has no rows that can be read")

// readRows reads the rows of a block of data.
func readRows(content []byte, schema *colblk.KeySchema) (items []item, err error) {
	defer func() {
		if p := recover(); p != nil {
			items, err = nil, fmt.Errorf("%w: %v", errNoRows, p)
		}
	}()
	if !rowsShape.fits(content) {
		return nil, errNoRows
	}
	var d colblk.DataBlockDecoder
	d.Init(schema, content)
	var meta colblk.KeySeekerMetadata
	schema.InitKeySeekerMetadata(&meta, &d)
	keys := schema.KeySeeker(&meta)
	var key colblk.PrefixBytesIter
	key.Init(len(content), nil)
	columns := d.BlockDecoder()
	trailers, values := columns.Uints(trailerColumn), columns.RawBytes(valueColumn)
	elsewhere, replaced := columns.Bitmap(elsewhereColumn), columns.Bitmap(replacedColumn)
	for row := range columns.Rows() {
		i := item{key: bytes.Clone(keys.MaterializeUserKey(&key, row-1, row)), trailer: pebble.InternalKeyTrailer(trailers.At(row)), replaced: replaced.At(row)}
		i.seq = uint64(i.trailer.SeqNum())
		switch kind := i.trailer.Kind(); kind {
		case pebble.InternalKeyKindSet, pebble.InternalKeyKindSetWithDelete:
			if !elsewhere.At(row) {
				i.value = append([]byte{}, values.At(row)...)
			} else if !i.replaced {
				return nil, fmt.Errorf("%w: a value lies elsewhere", errNoRows)
			}
		case pebble.InternalKeyKindDelete, pebble.InternalKeyKindSingleDelete, pebble.InternalKeyKindDeleteSized:
			i.deleted = true
		default:
			return nil, fmt.Errorf("an entry of kind %v", kind)
		}
		if n := len(items); n > 0 && !before(items[n-1].internalKey(), i.internalKey()) {
			return nil, fmt.Errorf("%w: they are in no order", errNoRows)
		}
		items = append(items, i)
	}
	if len(items) == 0 {
		return nil, errNoRows
	}
	return items, nil
}

// readChunk reads a block of data that is whole.
func readChunk(data []byte, h block.Handle, schema *colblk.KeySchema) (chunk, error) {
	content, err := unpack(data, h)
	if err != nil {
		return chunk{}, err
	}
	items, err := readRows(content, schema)
	return chunk{begin: int(h.Offset), end: blockEnd(h), items: items}, err
}

// readIndex returns the blocks that an index lists.
func readIndex(content []byte) (blocks []block.Handle, err error) {
	err = eachIndexed(content, func(h block.Handle, _ []byte) { blocks = append(blocks, h) })
	return blocks, err
}

// eachIndexed calls f for each block that an index lists, with a key that is not less than
// any of that block, and less than any of the next.
func eachIndexed(content []byte, f func(h block.Handle, last []byte)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the index cannot be read: %v", p)
		}
	}()
	if !indexShape.fits(content) {
		return errors.New("it is no index")
	}
	var it colblk.IndexIter
	if err := it.Init(pebble.DefaultComparer, content, block.IterTransforms{}); err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		h, err := it.BlockHandleWithProperties()
		if err != nil {
			return err
		}
		f(h.Handle, it.Separator())
	}
	return nil
}
