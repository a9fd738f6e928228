package filelog

import (
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/substrate"
)

// settle makes the newest state durable. It need not be: if a sync of it has
// failed, it is in the page cache only, where it was just read. The next state is
// written over the one before, which then is all that a crash leaves; if that crash
// tears the write as well, the log begins with a state that is older than both,
// and misses files that are gone.
//
// To write the newest one anew is safe only if the one before will do, should a
// crash spoil it: all files that it needs are still there. If one is gone, the newest
// state was durable when it went.
func settle(opts Options, id *identity, files []*segment) error {
	if id.before == nil || !id.before.suffices(files, id.state.baseOrdinal) {
		return nil
	}
	now, err := loadIdentity(opts.FS, opts.Dir)
	switch {
	case err != nil:
		return fmt.Errorf("read the log's identity: %w", err)
	case now.state != id.state:
		return fmt.Errorf("%w: somebody else has the log open, its state has changed meanwhile", substrate.ErrFailed)
	}
	mark.Hit(mark.LogStateSettled)
	return saveState(opts.FS, opts.Dir, id.state)
}

// suffices reports whether all segments before to are there that the log would
// have with this state, and those that it claims.
func (s *state) suffices(files []*segment, to uint64) bool {
	has := func(c claim) bool {
		return c.ordinal < s.baseOrdinal || slices.ContainsFunc(files, func(f *segment) bool { return f.ordinal == c.ordinal && f.size >= c.size })
	}
	for ordinal := s.baseOrdinal; ordinal < to; ordinal++ {
		if !has(claim{ordinal: ordinal}) {
			return false
		}
	}
	return has(s.current) && has(s.prepared)
}
