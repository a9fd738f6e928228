package pebblestore

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// tableFilter is the filter of a table, which has all keys of its rows and of its
// deletions of single rows, and one in a hundred of the others. It may be nil.
type tableFilter []byte

// readFilter reads a filter. One that is damaged tells nothing.
func (p *parts) readFilter(h block.Handle) {
	if h.Length == 0 || !wholeBlock(p.data, h) {
		return
	}
	if content, err := unpack(p.data, h); err == nil {
		p.filter = content
	}
}

// mayHave reports whether a table may have had an entry of a key.
func (f tableFilter) mayHave(key []byte) (may bool) {
	if len(f) <= leastFilter {
		return true
	}
	defer func() {
		if recover() != nil { // its checksum is right, and it makes no sense
			may = true
		}
	}()
	return filterPolicy.MayContain(pebble.TableFilter, f, key)
}

// leastFilter is how long a filter is at least. Pebble finds nothing in a shorter one.
const leastFilter = 5

// filterPolicy is of about ten bits for each key.
const filterPolicy = bloom.FilterPolicy(10)
