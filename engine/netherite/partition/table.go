package partition

import "sort"

// table maps ascending IDs to pointers, in the order of the IDs. Adding is at
// the end, removing leaves a hole that is closed when half are holes: a fan-out
// of 100,000 completes in any order at a constant cost each. The zero table is
// empty.
type table[T comparable] struct {
	ids  []int32
	vals []T
	live int
}

// add appends an element; its ID is above all others, except that the same ID
// may replace its predecessor.
func (t *table[T]) add(id int32, v T) {
	var none T
	if i, ok := t.index(id); ok {
		if t.vals[i] == none {
			t.live++
		}
		t.vals[i] = v
		return
	} else if i < len(t.ids) {
		t.insert(i, id, v)
		return
	}
	t.ids, t.vals = append(t.ids, id), append(t.vals, v)
	t.live++
}

// insert is for the rare language that hands out IDs in another order.
func (t *table[T]) insert(i int, id int32, v T) {
	var none T
	t.ids, t.vals = append(t.ids, 0), append(t.vals, none)
	copy(t.ids[i+1:], t.ids[i:])
	copy(t.vals[i+1:], t.vals[i:])
	t.ids[i], t.vals[i] = id, v
	t.live++
}

func (t *table[T]) index(id int32) (int, bool) {
	n := len(t.ids)
	if n > 0 && t.ids[n-1] < id {
		return n, false
	}
	i := sort.Search(n, func(i int) bool { return t.ids[i] >= id })
	return i, i < n && t.ids[i] == id
}

// get returns the element, or the zero value.
func (t *table[T]) get(id int32) (v T) {
	if i, ok := t.index(id); ok {
		return t.vals[i]
	}
	return v
}

// remove takes the element out and returns it, or the zero value.
func (t *table[T]) remove(id int32) (v T) {
	var none T
	i, ok := t.index(id)
	if !ok || t.vals[i] == none {
		return none
	}
	v, t.vals[i] = t.vals[i], none
	t.live--
	switch {
	case t.live == 0:
		clear(t.vals)
		t.ids, t.vals = t.ids[:0], t.vals[:0]
	case len(t.ids) > 16 && t.live < len(t.ids)/2:
		t.compact()
	}
	return v
}

func (t *table[T]) compact() {
	var none T
	n := 0
	for i, v := range t.vals {
		if v != none {
			t.ids[n], t.vals[n] = t.ids[i], v
			n++
		}
	}
	clear(t.vals[n:])
	t.ids, t.vals = t.ids[:n], t.vals[:n]
}

// all calls f for each element in order of ID until it returns false. f may not
// change the table.
func (t *table[T]) all(f func(id int32, v T) bool) {
	var none T
	for i, v := range t.vals {
		if v != none && !f(t.ids[i], v) {
			return
		}
	}
}

// reset empties the table.
func (t *table[T]) reset() { *t = table[T]{} }
