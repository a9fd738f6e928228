package mem

import (
	"bytes"
	"hash/fnv"
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
func (t *tree) set(key, value []byte) *tree {
	return t.insert(&tree{key: key, value: value, priority: priorityOf(key)})
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
		n.left, n.right = t.split(n.key)
		return n
	}
	top := *t
	if c < 0 {
		top.left = t.left.insert(n)
	} else {
		top.right = t.right.insert(n)
	}
	return &top
}

func (t *tree) remove(key []byte) *tree {
	if _, ok := t.get(key); !ok {
		return t
	}
	less, rest := t.split(key)
	_, more := rest.splitAfter(key)
	return merge(less, more)
}

// removeRange removes [low, high); an empty high means to the end.
func (t *tree) removeRange(low, high []byte) *tree {
	less, rest := t.split(low)
	if len(high) == 0 {
		return less
	}
	if bytes.Compare(low, high) >= 0 {
		return t
	}
	_, more := rest.split(high)
	return merge(less, more)
}

// split returns the keys before key, and the others.
func (t *tree) split(key []byte) (less, rest *tree) {
	if t == nil {
		return nil, nil
	}
	n := *t
	if bytes.Compare(t.key, key) < 0 {
		n.right, rest = t.right.split(key)
		return &n, rest
	}
	less, n.left = t.left.split(key)
	return less, &n
}

// splitAfter returns the keys up to and with key, and the others.
func (t *tree) splitAfter(key []byte) (upTo, more *tree) {
	if t == nil {
		return nil, nil
	}
	n := *t
	if bytes.Compare(t.key, key) <= 0 {
		n.right, more = t.right.splitAfter(key)
		return &n, more
	}
	upTo, n.left = t.left.splitAfter(key)
	return upTo, &n
}

// merge joins two trees; all keys of a come before those of b.
func merge(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		n := *a
		n.right = merge(a.right, b)
		return &n
	}
	n := *b
	n.left = merge(a, b.left)
	return &n
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
