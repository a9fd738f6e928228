package pebblestore

import (
	"bytes"
	"slices"
)

// keyRange is [low, high).
type keyRange struct{ low, high []byte }

func pointRange(key []byte) keyRange {
	k := append(make([]byte, 0, len(key)+1), key...)
	return keyRange{low: k, high: append(k, 0)}
}

func (r keyRange) isPoint() bool {
	return len(r.high) == len(r.low)+1 && r.high[len(r.low)] == 0 && bytes.HasPrefix(r.high, r.low)
}

// ranges is a set of keys: ranges in order that do not overlap. It is never
// changed once others can see it.
type ranges []keyRange

// find returns the index of the first range that ends behind the key.
func (rs ranges) find(key []byte) int {
	i, _ := slices.BinarySearchFunc(rs, key, func(r keyRange, key []byte) int {
		if bytes.Compare(r.high, key) <= 0 {
			return -1
		}
		return 1
	})
	return i
}

func (rs ranges) contains(key []byte) bool {
	i := rs.find(key)
	return i < len(rs) && bytes.Compare(rs[i].low, key) <= 0
}

// union returns the keys of both.
func (rs ranges) union(more ranges) ranges {
	switch {
	case len(more) == 0:
		return rs
	case len(rs) == 0:
		return more
	}
	sorted := make([]keyRange, 0, len(rs)+len(more))
	for len(rs) > 0 && len(more) > 0 {
		if bytes.Compare(rs[0].low, more[0].low) <= 0 {
			sorted, rs = append(sorted, rs[0]), rs[1:]
		} else {
			sorted, more = append(sorted, more[0]), more[1:]
		}
	}
	sorted = append(append(sorted, rs...), more...)
	return ranges(sorted[:0]).merge(sorted)
}

// build makes a set of ranges in any order. It keeps the list.
func build(list []keyRange) ranges {
	slices.SortFunc(list, func(a, b keyRange) int { return bytes.Compare(a.low, b.low) })
	return ranges(list[:0]).merge(list)
}

// merge appends sorted ranges, which may overlap.
func (rs ranges) merge(sorted []keyRange) ranges {
	for _, r := range sorted {
		if n := len(rs); n > 0 && bytes.Compare(r.low, rs[n-1].high) <= 0 {
			if bytes.Compare(r.high, rs[n-1].high) > 0 {
				rs[n-1].high = r.high
			}
			continue
		}
		rs = append(rs, r)
	}
	return rs
}

// without returns the set less one key.
func (rs ranges) without(key []byte) ranges {
	i := rs.find(key)
	if i == len(rs) || bytes.Compare(rs[i].low, key) > 0 {
		return rs
	}
	point := pointRange(key)
	parts := make(ranges, 0, 2)
	if bytes.Compare(rs[i].low, point.low) < 0 {
		parts = append(parts, keyRange{low: rs[i].low, high: point.low})
	}
	if bytes.Compare(point.high, rs[i].high) < 0 {
		parts = append(parts, keyRange{low: point.high, high: rs[i].high})
	}
	return slices.Concat(rs[:i], parts, rs[i+1:])
}

// cursor tells for keys in ascending order whether the set contains them.
type cursor struct{ rest ranges }

func (c *cursor) contains(key []byte) bool {
	for len(c.rest) > 0 && bytes.Compare(c.rest[0].high, key) <= 0 {
		c.rest = c.rest[1:]
	}
	return len(c.rest) > 0 && bytes.Compare(c.rest[0].low, key) <= 0
}
