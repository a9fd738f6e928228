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
	c.low = append([]byte{}, c.low...)
	c.high = append([]byte{}, c.high...)
	c.value = append([]byte{}, c.value...)
	b.size += len(c.low) + len(c.high) + len(c.value)
	b.changes = append(b.changes, c)
}

// Len implements substrate.Batch.
func (b *batch) Len() int { return len(b.changes) }

// Size implements substrate.Batch.
func (b *batch) Size() int { return b.size }

func (c *change) apply(t *tree) *tree {
	switch c.kind {
	case changeSet:
		return t.set(c.low, c.value)
	case changeDelete:
		return t.remove(c.low)
	default:
		return t.removeRange(c.low, c.high)
	}
}
