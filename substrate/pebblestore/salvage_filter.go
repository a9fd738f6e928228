package pebblestore

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// tableFilter is the filter of a table, which has all keys of its rows and of its
// deletions of single rows, and one in a hundred of the others. It may be nil.
type tableFilter []byte

// readFilter reads a filter, which is never compressed. One that is damaged tells
// nothing.
func (p *parts) readFilter(h block.Handle) {
	if h.Length == 0 || !wholeBlock(p.data, h) || block.CompressionIndicator(p.data[h.Offset+h.Length]) != block.NoCompressionIndicator {
		return
	}
	p.filter = bytes.Clone(p.data[h.Offset : h.Offset+h.Length])
}

// mayHave reports whether a table may have had an entry of a key.
func (f tableFilter) mayHave(key []byte) (may bool) {
	if len(f) <= filterTail {
		return true
	}
	defer func() {
		if recover() != nil { // its checksum is right, and it makes no sense
			may = true
		}
	}()
	return filterPolicy.MayContain(pebble.TableFilter, f, key)
}

// filterTail is what a filter has behind its bits. Without any bits Pebble finds
// nothing in it.
const filterTail = 5

// filterPolicy is of about ten bits for each key.
const filterPolicy = bloom.FilterPolicy(10)
