package mem

import (
	"bytes"
	"hash/fnv"
	"sync/atomic"
)

// tree is an ordered map whose versions share what they have in common: a change
// copies the path to it and leaves older roots as they were. That makes
// snapshots, and the state to return to after a crash, a pointer each. It is a
// treap whose priorities are a hash of the key, so its shape depends on nothing
// but its content.
type tree struct {
	key, value  []byte
	priority    uint64
	left, right *tree
	made        edit
}

// edit is a batch of changes: the nodes that it has made are in no older tree, so
// it changes them where they are. No two edits are equal.
type edit uint64

var edits atomic.Uint64

func newEdit() edit { return edit(edits.Add(1)) }

// own returns the node for e to change.
func (t *tree) own(e edit) *tree {
	if t.made == e {
		return t
	}
	n := *t
	n.made = e
	return &n
}

func priorityOf(key []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(key) // never fails
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

func (t *tree) get(key []byte) (value []byte, ok bool) {
	for t != nil {
		switch c := bytes.Compare(key, t.key); {
		case c == 0:
			return t.value, true
		case c < 0:
			t = t.left
		default:
			t = t.right
		}
	}
	return nil, false
}

// set returns the tree with the key set. It keeps both slices.
func (t *tree) set(e edit, key, value []byte) *tree {
	return t.insert(&tree{key: key, value: value, priority: priorityOf(key), made: e})
}

// insert returns the tree with a node, which it keeps, in its place, or in that of
// the one with the same key.
func (t *tree) insert(n *tree) *tree {
	if t == nil {
		return n
	}
	c := bytes.Compare(n.key, t.key)
	switch {
	case c == 0:
		n.left, n.right = t.left, t.right
		return n
	case n.priority > t.priority:
		n.left, n.right = t.split(n.made, n.key)
		return n
	}
	top := t.own(n.made)
	if c < 0 {
		top.left = t.left.insert(n)
	} else {
		top.right = t.right.insert(n)
	}
	return top
}

func (t *tree) remove(e edit, key []byte) *tree {
	if _, ok := t.get(key); !ok {
		return t
	}
	less, rest := t.split(e, key)
	_, more := rest.splitAfter(e, key)
	return merge(e, less, more)
}

// removeRange removes [low, high); an empty high means to the end.
func (t *tree) removeRange(e edit, low, high []byte) *tree {
	if len(high) > 0 && bytes.Compare(low, high) >= 0 {
		return t
	}
	less, rest := t.split(e, low)
	if len(high) == 0 {
		return less
	}
	_, more := rest.split(e, high)
	return merge(e, less, more)
}

// split returns the keys before key, and the others.
func (t *tree) split(e edit, key []byte) (less, rest *tree) {
	if t == nil {
		return nil, nil
	}
	n := t.own(e)
	if bytes.Compare(t.key, key) < 0 {
		n.right, rest = t.right.split(e, key)
		return n, rest
	}
	less, n.left = t.left.split(e, key)
	return less, n
}

// splitAfter returns the keys up to and with key, and the others.
func (t *tree) splitAfter(e edit, key []byte) (upTo, more *tree) {
	if t == nil {
		return nil, nil
	}
	n := t.own(e)
	if bytes.Compare(t.key, key) <= 0 {
		n.right, more = t.right.splitAfter(e, key)
		return n, more
	}
	upTo, n.left = t.left.splitAfter(e, key)
	return upTo, n
}

// merge joins two trees; all keys of a come before those of b.
func merge(e edit, a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		n := a.own(e)
		n.right = merge(e, a.right, b)
		return n
	}
	n := b.own(e)
	n.left = merge(e, a, b.left)
	return n
}

// scan calls f for the keys in [low, high) in order until it returns false; an
// empty high means to the end.
func (t *tree) scan(low, high []byte, f func(key, value []byte) bool) bool {
	if t == nil {
		return true
	}
	aboveLow := bytes.Compare(t.key, low) >= 0
	belowHigh := len(high) == 0 || bytes.Compare(t.key, high) < 0
	if aboveLow && !t.left.scan(low, high, f) {
		return false
	}
	if aboveLow && belowHigh && !f(t.key, t.value) {
		return false
	}
	return !belowHigh || t.right.scan(low, high, f)
}
