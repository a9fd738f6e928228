// Package mark counts how often the code takes paths that are seldom taken, so
// that a batch of simulations can tell whether it has come to each of them. A
// path that no run takes is not tested, whatever the number of runs.
//
// Nothing is counted until Count is called: then a mark costs one load of a
// variable that nobody writes.
package mark

import "sync/atomic"

var (
	on   atomic.Bool
	hits [count]atomic.Int64
)

// Hit notes that the path is taken.
func Hit(m Mark) {
	if on.Load() {
		hits[m].Add(1)
	}
}

// Count begins to count, from zero.
func Count() {
	for m := range hits {
		hits[m].Store(0)
	}
	on.Store(true)
}

// All lists all marks.
func All() []Mark {
	all := make([]Mark, count)
	for m := range all {
		all[m] = Mark(m)
	}
	return all
}

// Hits is how often the path was taken since Count.
func (m Mark) Hits() int64 { return hits[m].Load() }

// String is the mark's name.
func (m Mark) String() string { return names[m] }
