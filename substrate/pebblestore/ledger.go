package pebblestore

import (
	"bytes"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// maxParts bounds the parts of a ledger, and so its memory.
	maxParts = 2048
	// A part is worth being rewritten if so much of it is garbage: what that writes
	// is then at most three times what it frees.
	worthShare = 4 // a quarter
	// drawAfter is after how many deletions the parts are drawn anew.
	drawAfter = 1000
	// maxRun is how much is rewritten at a time.
	maxRun = 16 << 20
)

// ledger guesses how much of each part of a database is garbage: rows that were
// deleted, whose bytes are in its tables still. Parts are cut where tables begin.
type ledger struct {
	mu    sync.Mutex
	cuts  [][]byte // where the parts begin, but for the first
	parts []part   // one more
	noted int      // deletions since the parts were drawn
}

// part is what lies between two cuts: the bytes and rows of its tables, bytes of
// garbage, and rows of garbage of which the bytes are not known.
type part struct{ bytes, rows, garbage, gone int64 }

// run is some parts on end that are worth being rewritten.
type run struct {
	keyRange // an empty low or high is where the database begins or ends
	bytes    int64
	garbage  int64
	noted    part // what its parts have noted as garbage
}

// at is the part that a key lies in.
func (l *ledger) at(key []byte) int {
	i, found := slices.BinarySearchFunc(l.cuts, key, bytes.Compare)
	if found {
		i++
	}
	return i
}

// addRows notes that rows were deleted, whose keys next returns until there are no
// more.
func (l *ledger) addRows(next func() (key []byte, ok bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, ok := next(); ok && len(l.parts) > 0; key, ok = next() {
		l.noted++
		l.parts[l.at(key)].gone++
	}
}

// addBytes notes that some bytes between two keys were deleted.
func (l *ledger) addBytes(r keyRange, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parts) > 0 {
		l.noted++
		l.spread(r.low, r.high, func(p *part, share int64) { p.garbage += n / share })
	}
}

// spread calls f for each part between two keys, both included, with their number.
func (l *ledger) spread(low, high []byte, f func(p *part, share int64)) {
	from, to := l.at(low), l.at(high)
	for i := from; i <= to; i++ {
		f(&l.parts[i], int64(to-from+1))
	}
}

// draw takes in which tables there are now. The garbage of an old part is spread
// over the new ones in its place.
func (l *ledger) draw(levels [][]pebble.SSTableInfo) {
	fresh := &ledger{}
	for _, level := range levels {
		for i := range level {
			fresh.cuts = append(fresh.cuts, level[i].Smallest.UserKey)
		}
	}
	slices.SortFunc(fresh.cuts, bytes.Compare)
	fresh.cuts = thin(slices.CompactFunc(fresh.cuts, bytes.Equal))
	fresh.parts = make([]part, len(fresh.cuts)+1)
	for _, level := range levels {
		for i := range level {
			t := &level[i]
			fresh.spread(t.Smallest.UserKey, t.Largest.UserKey, func(p *part, share int64) {
				p.bytes += int64(t.Size) / share
				p.rows += (int64(t.TableStats.NumEntries) - int64(t.TableStats.NumDeletions)) / share
			})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.parts {
		if old := l.parts[i]; old.garbage > 0 || old.gone > 0 {
			low, high := l.bounds(i, i)
			to := len(fresh.cuts)
			if len(high) > 0 {
				to = max(fresh.at(high)-1, fresh.at(low))
			}
			share := int64(to - fresh.at(low) + 1)
			for n := fresh.at(low); n <= to; n++ {
				fresh.parts[n].garbage += old.garbage / share
				fresh.parts[n].gone += (old.gone + share - 1) / share
			}
		}
	}
	l.cuts, l.parts, l.noted = fresh.cuts, fresh.parts, 0
}

// thin leaves out so many cuts that few enough are left, and copies these.
func thin(cuts [][]byte) [][]byte {
	every := len(cuts)/maxParts + 1
	out := make([][]byte, 0, len(cuts)/every+1)
	for i := 0; i < len(cuts); i += every {
		out = append(out, clone(cuts[i]))
	}
	return out
}

// bounds are where some parts on end begin and end; empty: with the database.
func (l *ledger) bounds(first, last int) (low, high []byte) {
	if first > 0 {
		low = l.cuts[first-1]
	}
	if last < len(l.cuts) {
		high = l.cuts[last]
	}
	return low, high
}

// garbage is how much garbage there is in all.
func (l *ledger) garbage() (sum int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.parts {
		sum += l.parts[i].waste()
	}
	return sum
}

// waste is how much of a part is garbage, at most all of it.
func (p part) waste() int64 {
	return min(p.garbage+p.gone*(p.bytes/max(p.rows, 1)), p.bytes)
}

// stale reports whether so much was noted that the parts should be drawn anew.
func (l *ledger) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noted >= drawAfter
}

// worth lists what is worth being rewritten: the parts that are, or all if the
// database is as a whole. Young tables reach over many parts, and what is in each of
// them is not known then.
func (l *ledger) worth() (list []run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var whole part
	for _, p := range l.parts {
		whole = part{whole.bytes + p.bytes, whole.rows + p.rows, whole.garbage + p.garbage, whole.gone + p.gone}
	}
	for i := 0; i < len(l.parts); i++ {
		first := i
		r := run{}
		for ; i < len(l.parts); i++ {
			p := l.parts[i]
			garbage := p.waste()
			if whole.worth() {
				garbage = int64(float64(whole.waste()) * float64(p.bytes) / float64(whole.bytes))
			} else if !p.worth() {
				break
			}
			if i > first && r.bytes+p.bytes > maxRun {
				break
			}
			r.bytes, r.garbage = r.bytes+p.bytes, r.garbage+garbage
			r.noted.garbage, r.noted.gone = r.noted.garbage+p.garbage, r.noted.gone+p.gone
		}
		if i > first {
			i--
			r.low, r.high = l.bounds(first, i)
			list = append(list, r)
		}
	}
	return list
}

func (p part) worth() bool {
	n := p.waste()
	return n > 0 && n >= p.bytes/worthShare
}

// rewritten notes that the garbage of a run is gone. What has been noted since stays:
// the compaction may have begun before it.
func (l *ledger) rewritten(r run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parts) == 0 {
		return
	}
	to := len(l.parts) - 1
	if len(r.high) > 0 {
		to = max(l.at(r.high)-1, l.at(r.low))
	}
	for i := l.at(r.low); i <= to; i++ {
		p := &l.parts[i]
		garbage, gone := min(p.garbage, r.noted.garbage), min(p.gone, r.noted.gone)
		p.garbage, p.gone = p.garbage-garbage, p.gone-gone
		r.noted.garbage, r.noted.gone = r.noted.garbage-garbage, r.noted.gone-gone
	}
}
