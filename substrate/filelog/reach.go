package filelog

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/substrate"
)

// What follows is about the end of a log. Nothing comes after it that would miss
// it: the identity file tells of the last segments, and somebody outside of the log
// may have noted how far it had come.

// Reached says how far the log is known to be durable. It may be called at any
// time, from any goroutine.
func (l *Log) Reached() substrate.Reach {
	l.mu.Lock()
	defer l.mu.Unlock()
	return substrate.Reach{Incarnation: l.incarnation, Durable: l.synced}
}

// Noted makes it durable that somebody outside of the log has durably noted this
// opening. A copy of the outside that is older than that is told by it, see Peek.
func (l *Log) Noted() error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	if l.state.noted == l.incarnation {
		return nil
	}
	err := l.owned() // an earlier incarnation must not undo what this file says now
	if err == nil {
		l.state.noted = l.incarnation
		err = l.saveState()
	}
	if err != nil {
		return l.fail(errors.New("note that the opening is noted elsewhere"), err)
	}
	return nil
}

// incarnation is the newest one that the log knows of.
func (s *scan) incarnation() uint64 { return max(s.id.state.incarnation, s.cur.incarnation) }

// begun holds that the newest incarnation is there. The segment that it writes to is
// noted once its open frame is durable.
func (s *scan) begun() {
	if s.vanished() && len(s.damage) == 0 {
		_, ordinal := s.start()
		s.hurt(ordinal, 0, kindShort, fmt.Sprintf("nothing of incarnation %d is there, which had begun", s.id.state.incarnation))
	}
}

func (s *scan) vanished() bool {
	return s.id.state.current.ordinal > 0 && s.cur.incarnation < s.id.state.incarnation
}

// reaches holds that the log comes as far as was noted.
func (s *scan) reaches() {
	file, offset := identityName, int64(0)
	if len(s.files) > 0 {
		file, offset = segmentName(s.files[s.file].ordinal), s.offset
	}
	detail := ""
	switch {
	case s.incarnation() < s.least.Incarnation:
		detail = fmt.Sprintf("the log knows of incarnation %d, elsewhere %d is noted: it is an older copy, or its end is gone", s.incarnation(), s.least.Incarnation)
	case s.end() < s.least.Durable:
		detail = fmt.Sprintf("the log ends at %d, elsewhere it is noted that it was durable up to %d", s.end(), s.least.Durable)
	default:
		return
	}
	s.damage = append(s.damage, &substrate.Damage{File: file, Offset: offset, Kind: kindShort, Detail: detail})
}

// lostEnd reports whether there may have been more, behind the last frame, than can
// be read: a segment that may have held it is gone or cut off, or somebody knows of
// more. What a crash has torn is not meant.
func (s *scan) lostEnd() bool {
	switch newest := s.incarnation(); {
	case s.least.Closed && s.least.Incarnation >= newest:
		return false // what is missing of it is a hole
	case newest < s.least.Incarnation, s.end() < s.least.Durable, s.vanished():
		return true
	case s.closed && s.cur.incarnation == newest:
		return false
	case s.stuck:
		return true
	}
	var last claim // the segment in which the log ends, as it was made
	if len(s.files) > 0 {
		last = claim{s.files[s.file].ordinal, s.made}
	}
	base := claim{ordinal: s.id.state.baseOrdinal}
	if base.ordinal == 1 {
		base = claim{} // it may be that none was ever made
	}
	for _, c := range [...]claim{base, s.id.state.current, s.id.state.prepared, last} {
		if c.ordinal >= max(last.ordinal, s.id.state.baseOrdinal) && s.mayLack(c, last.ordinal) {
			return true
		}
	}
	// Nobody knows which segments there were. The one that is prepared to follow the
	// last is there, if there was no more.
	return s.guessed && s.segment(last.ordinal+1) == nil
}

// mayLack reports whether a segment is gone or cut off such that what came next may
// have stood in it. The log ends in the last one.
func (s *scan) mayLack(c claim, last uint64) bool {
	f := s.segment(c.ordinal)
	switch {
	case f == nil:
		return true
	case f.size >= c.size:
		return false
	case c.ordinal == last:
		return f.size < s.offset+sectorBytes || s.win.resembles(s.offset, s.cur)
	}
	return f.size < sectorBytes
}

// segment returns the file of an ordinal, or nil.
func (s *scan) segment(ordinal uint64) *segment {
	for _, f := range s.files {
		if f.ordinal == ordinal {
			return f
		}
	}
	return nil
}
