package pebblestore

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// batch writes changes straight into Pebble's own representation. Deletions of
// history are kept apart: they take effect later than the rest.
type batch struct {
	main, history *pebble.Batch
	deletes       []historyDelete // in the order they were made
	sets          int             // number of changes in history
	mainDeletes   int             // number of deletions in main
	count, size   int
	memory        memory // what it needs in Main's memtable
	err           error  // the first bad key

	// Of an Apply that met a full disk and may be tried again.
	notes       []noted // the deletions, noted in main
	noted       bool
	historyDone bool // history has been applied
}

// historyDelete is a deletion from History that came after so many sets.
type historyDelete struct {
	keyRange
	after int
}

// memory estimates the space that changes take in a memtable.
type memory struct{ entries, bytes uint64 }

func (m *memory) add(bytes int) {
	m.entries++
	m.bytes += uint64(bytes)
}

// asked is at least what Pebble asks for before it applies the batch: each entry
// as a node of the greatest height.
func (m memory) asked() uint64 { return m.bytes + 208*m.entries }

// taken is at least what it takes in the end: with so many nodes of random
// height their sum stays within six standard deviations.
func (m memory) taken() uint64 { return m.bytes + 64*m.entries + 1024 }

// Set implements substrate.Batch.
func (b *batch) Set(s substrate.Space, key, value []byte) {
	if !b.check(key) {
		return
	}
	b.count++
	b.size += len(key) + len(value)
	if s == substrate.History {
		b.sets++
		b.room(b.history, len(key)+len(value))
		b.set(b.history, key, value)
		return
	}
	b.memory.add(len(key) + len(value))
	b.room(b.main, len(key)+len(value))
	b.set(b.main, key, value)
}

// growth is by how much a large batch grows at least. Pebble would double it,
// and keep all of that until what was applied is flushed.
const growth = 512 << 10

// room makes room in a batch that has become large for n bytes more. A batch that
// is used again has the memory of the last time.
func (b *batch) room(to *pebble.Batch, n int) {
	n += to.Len() + 16 // what Pebble puts before key and value
	if n <= growth || n <= cap(to.Repr()) {
		return
	}
	b.note(to.SetRepr(append(make([]byte, 0, n+max(growth, n/2)), to.Repr()...)))
}

func (b *batch) set(to *pebble.Batch, key, value []byte) {
	op := to.SetDeferred(len(key), len(value))
	copy(op.Key, key)
	copy(op.Value, value)
	if err := op.Finish(); err != nil {
		b.note(err)
	}
}

// Delete implements substrate.Batch.
func (b *batch) Delete(s substrate.Space, key []byte) {
	if !b.check(key) {
		return
	}
	b.count++
	b.size += len(key)
	if s == substrate.History {
		b.deletes = append(b.deletes, historyDelete{pointRange(key), b.sets})
		return
	}
	b.mainDeletes++
	b.memory.add(len(key))
	b.note(b.main.Delete(key, nil))
}

// DeleteRange implements substrate.Batch.
func (b *batch) DeleteRange(s substrate.Space, low, high []byte) {
	high = limit(high)
	if bytes.Compare(low, high) >= 0 {
		return
	}
	b.count++
	b.size += len(low) + len(high)
	if s == substrate.History {
		b.deletes = append(b.deletes, historyDelete{keyRange{low: clone(low), high: clone(high)}, b.sets})
		return
	}
	b.mainDeletes++
	b.memory.add(len(low) + len(high))
	b.note(b.main.DeleteRange(low, high, nil))
}

func (b *batch) check(key []byte) bool {
	err := checkKey(key)
	b.note(err)
	return err == nil
}

func (b *batch) note(err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("change %d of the batch: %w", b.count+1, err)
	}
}

// Len implements substrate.Batch.
func (b *batch) Len() int { return b.count }

// Size implements substrate.Batch.
func (b *batch) Size() int { return b.size }

// historySets calls f for the number and key of each set in History.
func (b *batch) historySets(f func(i int, key []byte)) error {
	r := b.history.Reader()
	for i := 0; ; i++ {
		_, key, _, ok, err := r.Next()
		if err != nil {
			return fmt.Errorf("read the batch back: %w", err)
		}
		if !ok {
			return nil
		}
		f(i, key)
	}
}

// resolve returns what the batch deletes from History in the end: a key that is
// set after its deletion is not deleted.
func (b *batch) resolve() (ranges, error) {
	if len(b.deletes) == 0 {
		return nil, nil
	}
	list := make([]keyRange, len(b.deletes))
	for i := range b.deletes {
		list[i] = b.deletes[i].keyRange
	}
	deleted := build(list)
	err := b.historySets(func(i int, key []byte) {
		if deleted.contains(key) && !b.deletedAfter(i, key) {
			deleted = deleted.without(key)
		}
	})
	return deleted, err
}

func (b *batch) deletedAfter(set int, key []byte) bool {
	for i := range b.deletes {
		if d := &b.deletes[i]; set < d.after && bytes.Compare(d.low, key) <= 0 && bytes.Compare(key, d.high) < 0 {
			return true
		}
	}
	return false
}

// release gives the memory back. A batch whose Apply did not return cleanly may
// still be in use and is left to the garbage collector.
func (b *batch) release() {
	_ = b.main.Close()    // only returns it to a pool
	_ = b.history.Close() // only returns it to a pool
	b.main, b.history = nil, nil
}
