package filelog

import (
	"fmt"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// Trim implements substrate.Log. It costs a sync of the identity file if it
// frees a segment, and nothing otherwise. The files are reused for later
// segments; at most two are kept for that.
func (l *Log) Trim(before substrate.Offset) error {
	if err := l.usable(); err != nil {
		return fmt.Errorf("trim the log before offset %d: %w", before, err)
	}
	freed, err := l.trim(before)
	if err != nil || len(freed) == 0 {
		return err
	}
	l.pool.give(freed...)
	l.pool.want(l) // may save the state itself
	return nil
}

// trim makes the log begin later, and returns what is not part of it any more.
func (l *Log) trim(before substrate.Offset) (freed []*segment, err error) {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.mu.Lock()
	n := 0
	for n < len(l.used)-1 && l.used[n].end <= before && l.startsDurably(l.used[n+1]) {
		n++
	}
	if planted.GCTooFar && n > 0 && n < len(l.used)-1 {
		n++
	}
	base := l.used[n]
	l.mu.Unlock()
	if n == 0 {
		return nil, nil
	}
	// Where the log begins is durable before anything in front of it is touched:
	// a segment that is missing behind it has been lost.
	if err := l.owned(); err != nil {
		return nil, l.fail(fmt.Errorf("trim the log"), err)
	}
	l.state.baseOrdinal, l.state.base = base.ordinal, base.first
	if err := l.saveState(); err != nil {
		return nil, l.fail(fmt.Errorf("trim the log"), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	freed = l.used[:n:n]
	l.used = l.used[n:]
	mark.Hit(mark.LogTrimmed)
	return freed, nil
}

// startsDurably reports whether a segment's first frame is durable, so that the
// log can begin with it.
func (l *Log) startsDurably(seg *segment) bool {
	return seg.first < l.synced || seg.incarnation < l.incarnation || seg.ordinal == l.firstOrdinal
}
