package mem

import (
	"errors"

	"github.com/netherite-go/netherite/substrate"
)

type change struct {
	space     substrate.Space
	low, high []byte // high only of a range
	value     []byte
	kind      changeKind
}

type changeKind uint8

const (
	changeSet changeKind = iota
	changeDelete
	changeDeleteRange
)

// batch is a substrate.Batch: the changes in the order they were made.
type batch struct {
	changes []change
	size    int
	err     error // the first bad key
	used    bool
}

var errBadKey = errors.New("a key must not be empty or begin with ff")

// Set implements substrate.Batch.
func (b *batch) Set(s substrate.Space, key, value []byte) {
	b.add(change{space: s, low: key, value: value, kind: changeSet})
}

// Delete implements substrate.Batch.
func (b *batch) Delete(s substrate.Space, key []byte) {
	b.add(change{space: s, low: key, kind: changeDelete})
}

// DeleteRange implements substrate.Batch.
func (b *batch) DeleteRange(s substrate.Space, low, high []byte) {
	b.add(change{space: s, low: low, high: high, kind: changeDeleteRange})
}

func (b *batch) add(c change) {
	if c.kind != changeDeleteRange && (len(c.low) == 0 || c.low[0] == 0xff) {
		b.err = errBadKey
	}
	size := len(c.low) + len(c.high) + len(c.value)
	own := make([]byte, 0, size) // one piece of memory for all three
	for _, part := range []*[]byte{&c.low, &c.high, &c.value} {
		from := len(own)
		own = append(own, *part...)
		*part = own[from:len(own):len(own)]
	}
	b.size += size
	b.changes = append(b.changes, c)
}

// Len implements substrate.Batch.
func (b *batch) Len() int { return len(b.changes) }

// Size implements substrate.Batch.
func (b *batch) Size() int { return b.size }

func (c *change) apply(e edit, t *tree) *tree {
	switch c.kind {
	case changeSet:
		return t.set(e, c.low, c.value)
	case changeDelete:
		return t.remove(e, c.low)
	default:
		return t.removeRange(e, c.low, c.high)
	}
}
