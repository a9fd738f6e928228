package pebblestore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
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
