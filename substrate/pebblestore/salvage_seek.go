package pebblestore

import (
	"bytes"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
)

// seeker looks for blocks in a table that does not say where they are.
type seeker struct {
	data []byte
	work int // bytes that may still be summed up
}

// seekWork is how often each byte of a table may be summed up, on average. A few times
// are enough, unless somebody has filled the table with what looks like beginnings.
const seekWork = 40

func newSeeker(data []byte) *seeker { return &seeker{data, seekWork * (len(data) + 1)} }

// at finds the block that begins at an offset, by its checksum. It has so many bytes at
// most.
func (s *seeker) at(offset, most int) (h block.Handle, ok bool) {
	sum := ^uint32(0)
	for i := offset; i <= len(s.data)-block.TrailerLen && i-offset <= most && s.work > 0; i++ {
		s.work--
		sum = castagnoli[byte(sum)^s.data[i]] ^ sum>>8
		if i > offset && compressed(s.data[i]) && binary.LittleEndian.Uint32(s.data[i+1:]) == masked(^sum) {
			return block.Handle{Offset: uint64(offset), Length: uint64(i - offset)}, true
		}
	}
	return block.Handle{}, false
}

// look is what a block of some shape is recognized by: bytes near its beginning, which a
// compressor leaves as they are, since nothing like them came before.
type look struct {
	shape
	mark   []byte
	behind int // so many bytes behind the beginning
}

var (
	rowsLook  = look{rowsShape, []byte{0, 0, 1, 7, 0}, 2} // the longest key has less than 64 KiB; version; columns
	indexLook = look{indexShape, []byte{1, 4, 0}, 0}      // version; columns
	zstdMark  = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// next finds the first block from an offset on that looks like one of rows or of an index.
func (s *seeker) next(from int) (h block.Handle, ok bool) {
	try := func(offset, most int) bool {
		if offset >= from {
			h, ok = s.at(offset, most)
		}
		return ok
	}
	for i := from; i < len(s.data) && s.work > 0; i++ {
		for _, like := range [...]*look{&rowsLook, &indexLook} {
			if bytes.HasPrefix(s.data[i:], like.mark) && s.begins(i-like.behind, like.shape, try) {
				return h, true
			}
		}
		if !bytes.HasPrefix(s.data[i:], zstdMark) {
			continue
		}
		for n := 1; n <= binary.MaxVarintLen32 && n <= i; n++ { // of the length before it
			if most, ok := s.length(i-n, i); ok && try(i-n, most) {
				return h, true
			}
		}
	}
	return block.Handle{}, false
}

// begins tries where a block may begin whose first bytes lie at an offset: there, or,
// if it is compressed by Snappy or MinLZ, before its length and the tag of these bytes.
func (s *seeker) begins(first int, like shape, try func(offset, most int) bool) bool {
	if first < 0 {
		return false
	}
	if like.heads(s.data[first:], len(s.data)-first) && try(first, s.likely(first)) {
		return true
	}
	for tag := 1; tag <= 4 && tag <= first; tag++ {
		if s.data[first-tag]&3 != 0 {
			continue // not one of bytes as they are
		}
		for n := 1; n <= binary.MaxVarintLen32 && tag+n <= first; n++ {
			at := first - tag - n
			most, ok := s.length(at, first-tag)
			if ok && (try(at, most) || at > 0 && s.data[at-1] == 0 && try(at-1, most+1)) {
				return true
			}
		}
	}
	return false
}

// usual is how long a block is at most of which nothing tells.
const usual = 64 << 10

// likely is how long the block at an offset may be by the looks of it.
func (s *seeker) likely(at int) int {
	most := usual
	if rows := s.data[at:]; rowsShape.heads(rows, len(rows)) { // the last column is a bitmap
		last := rows[rowsShape.before+headBytes+columnBytes*replacedColumn:]
		most = max(most, int(binary.LittleEndian.Uint32(last[1:]))+int(colblk.DecodeHeader(rows[rowsShape.before:]).Rows)/4+usual)
	}
	for _, from := range []int{at, at + 1} { // MinLZ begins with a zero
		to := from
		for to < len(s.data) && to < from+binary.MaxVarintLen32-1 && s.data[to] >= 0x80 {
			to++
		}
		if size, ok := s.length(from, min(to+1, len(s.data))); ok && (from == at || s.data[at] == 0) {
			most = max(most, size+1)
		}
	}
	return most
}

// length reads the length of what is compressed, which lies between two offsets, and
// returns how long the block is at most: no longer than its content.
func (s *seeker) length(from, to int) (most int, ok bool) {
	size, n := binary.Uvarint(s.data[from:to])
	shortest := n == 1 || s.data[to-1] != 0
	if n != to-from || !shortest || size <= headBytes || size > maxContent {
		return 0, false
	}
	return int(size) + n, true
}

// each goes through the blocks that are whole until stop: where one ends the next one
// begins, or else the next one that looks like one.
func (s *seeker) each(stop func(block.Handle) bool) {
	for at := 0; at < len(s.data); {
		h, ok := s.at(at, s.likely(at))
		if !ok {
			h, ok = s.next(at + 1)
		}
		if !ok || stop(h) {
			return
		}
		at = blockEnd(h)
	}
}

// rows finds all blocks of data that are whole, in order.
func (s *seeker) rows(schema *colblk.KeySchema) (chunks []chunk) {
	s.each(func(h block.Handle) bool {
		if c, err := readChunk(s.data, h, schema); err == nil {
			chunks = append(chunks, c)
		}
		return false
	})
	return chunks
}

// index finds the index of a table, in any number of parts, and returns the blocks of
// data and where the last part ends. What it lists has to be all of the table before
// it: no index of anything else, such as of a table within a row, lists that.
func (s *seeker) index() (blocks []block.Handle, end int, found bool) {
	s.each(func(h block.Handle) bool {
		blocks = nil
		begin := int(h.Offset)
		for more := true; more; h, more = s.at(end, len(s.data)) {
			content, err := unpack(s.data, h)
			if err != nil {
				return false
			}
			listed, err := readIndex(content)
			if err != nil {
				return false
			}
			if blocks, end = append(blocks, listed...), blockEnd(h); adjoining(blocks) == begin {
				found = true
				return true
			}
		}
		return false
	})
	return blocks, end, found
}

// adjoining is where blocks end that follow each other from the beginning of a table;
// -1 if they do not.
func adjoining(blocks []block.Handle) int {
	end := uint64(0)
	for _, h := range blocks {
		if h.Offset != end || h.Length > maxTable {
			return -1
		}
		end += h.Length + block.TrailerLen
	}
	return int(end)
}

// maxTable is more than any table has.
const maxTable = 1 << 40
