package filelog

import (
	"fmt"

	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// evidence is what lies behind a place where the next frame is not.
type evidence struct {
	marked  bool // a later frame knew the missing one to be durable
	proof   string
	bytes   int64  // payload of later frames of the incarnation
	missing uint64 // a segment that must have existed
	foreign place  // the first whole frame of another hub, if its file is not nil
	begun   int    // index of the first file of an incarnation that has lost its open frame, or -1
	copied  first  // what is left of the copies that this incarnation may have begun with

	next       int // where a walk can go on: file, place; next < 0 if nowhere
	nextOffset int64
	nextFrame  header
}

// first is the place of the first whole frame of an incarnation.
type first struct {
	incarnation uint64
	file        int
	at          int64
}

// bad decides what it means that no frame continues the log here: damage, after
// which the walk goes on at the next frame that makes sense, or the end.
func (s *scan) bad(h *header, v verdict) (again bool, err error) {
	if planted.StopAtBadRecord {
		return false, nil
	}
	ev, err := s.search()
	if err != nil {
		return false, err
	}
	spot := place{file: s.files[s.file], offset: s.offset, header: *h, verdict: v}
	if s.attempted(v) {
		ev.missing = 0 // the frame that is missing was here
	}
	if next, ok, err := s.missedNext(spot, ev); err != nil {
		return false, err
	} else if ok {
		spot = next
	}
	if ev.foreign.file != nil && !ev.marked && ev.next < 0 {
		spot = ev.foreign // files are used again within one log only, so it is no leftover
	}
	kind, detail := s.judge(spot, ev)
	switch {
	case kind != "":
	case ev.missing != 0:
		s.hurt(ev.missing, 0, kindShort, "segment is missing")
		return s.resume(ev)
	case ev.begun >= 0:
		s.hurt(s.files[ev.begun].ordinal, 0, kindCRC, "the frame that opens the incarnation is unreadable, later ones are there")
		return s.resume(ev)
	default:
		s.dropped = s.tornBytes(h, v, ev)
		return false, nil
	}
	s.hurt(spot.file.ordinal, spot.offset, kind, detail)
	return s.resume(ev)
}

// place is where the next frame should be, and what is there instead.
type place struct {
	file    *segment
	offset  int64
	header  header
	verdict verdict
}

// judge says what kind of damage there is at a place, or none.
func (s *scan) judge(p place, ev evidence) (kind, detail string) {
	h := &p.header
	switch {
	case p.verdict == frameForeign:
		return kindForeign, fmt.Sprintf("a frame of hub %v, this one is %v", h.hub, s.id.hub)
	case p.verdict == frameGood && h.incarnation == s.cur.incarnation:
		// A place is written once per incarnation, so this is no leftover.
		return kindChain, fmt.Sprintf("frame says offset %d and previous checksum %08x, want %d and %08x", h.at, h.prev, s.cur.at, s.cur.prev)
	case ev.missing != 0 || ev.begun >= 0:
		return "", ""
	case s.cur.at < s.synced:
		detail = fmt.Sprintf("offset %d is unreadable, and was durable up to %d", s.cur.at, s.synced)
	case ev.marked:
		detail = fmt.Sprintf("offset %d is unreadable, %s", s.cur.at, ev.proof)
	case s.cur.incarnation == 0 && s.id.state.baseOrdinal > 1:
		detail = "the log's first frame is unreadable"
	default:
		return "", ""
	}
	if p.offset >= p.file.size {
		return kindShort, detail
	}
	return kindCRC, detail
}

// attempted reports whether the next frame was written at the current place.
func (s *scan) attempted(v verdict) bool {
	return v == frameBroken || s.win.resembles(s.offset, s.cur)
}

// missedNext reports whether the frame that is missing was meant to be the first
// of the next segment, rather than the next one of this.
func (s *scan) missedNext(here place, ev evidence) (p place, ok bool, err error) {
	i := s.file + 1
	if here.verdict > frameStale || s.attempted(here.verdict) || i >= len(s.files) || s.files[i].ordinal != here.file.ordinal+1 {
		return p, false, nil
	}
	if err := s.look.open(s.fs, s.dir, s.files[i]); err != nil {
		return p, false, err
	}
	p = place{file: s.files[i]}
	if _, p.verdict, err = s.look.frame(0, &p.header); err != nil {
		return p, false, err
	}
	switch {
	case p.verdict == frameGood:
		return p, false, nil
	case p.verdict == frameForeign, p.verdict == frameBroken, s.look.resembles(0, s.cur):
		return p, true, nil
	}
	return p, ev.next > s.file, nil
}

// resume goes on behind damage, as well as it can.
func (s *scan) resume(ev evidence) (again bool, err error) {
	if ev.next < 0 {
		s.stuck = true
		return false, nil
	}
	if s.salvaging != nil && ev.nextFrame.at > s.cur.at {
		s.salvaging.Holes = append(s.salvaging.Holes, Hole{s.cur.at, ev.nextFrame.at})
	}
	s.cur = cursor{incarnation: ev.nextFrame.incarnation, at: ev.nextFrame.at, anyPrev: true}
	if ev.nextFrame.kind == kindOpen {
		s.cur.incarnation = 0
	}
	return true, s.enter(ev.next, ev.nextOffset)
}

// search looks at every sector behind the current place.
func (s *scan) search() (evidence, error) {
	ev := evidence{begun: -1, next: -1}
	if s.closed && s.cur.incarnation == s.id.state.incarnation {
		return ev, nil // nothing follows a close frame
	}
	from := s.offset + sectorBytes
	for i := s.file; i < len(s.files); i++ {
		if err := s.look.open(s.fs, s.dir, s.files[i]); err != nil {
			return ev, err
		}
		for at := from; at < s.files[i].size; {
			var h header
			_, v, err := s.look.frame(at, &h)
			if err != nil {
				return ev, err
			}
			if v == frameGood {
				if s.weigh(&ev, &h, i, at) {
					return ev, nil
				}
				at += frameBytes(int(h.length))
				continue
			}
			if v == frameForeign && ev.foreign.file == nil {
				ev.foreign = place{file: s.files[i], offset: at, header: h, verdict: v}
			}
			at += sectorBytes
		}
		from = 0
	}
	return ev, nil
}

// weigh takes a later frame into account; done says that it settles the matter.
func (s *scan) weigh(ev *evidence, h *header, file int, at int64) (done bool) {
	switch {
	case h.incarnation < s.cur.incarnation:
		return false // of an incarnation that has ended: void
	case h.incarnation == s.cur.incarnation:
		ev.bytes += int64(h.advance())
		if h.end() > s.cur.at {
			ev.goOn(h, file, at)
		}
		if h.synced > s.cur.at && !ev.marked {
			ev.marked = true
			ev.proof = fmt.Sprintf("and was durable when %s was written at offset %d", segmentName(s.files[file].ordinal), at)
		}
		s.noteMissing(ev, file)
	case h.kind == kindOpen:
		// A later incarnation that began beyond this place: what it builds on is gone.
		s.noteMissing(ev, file)
		ev.goOn(h, file, at)
		ev.marked = true
		ev.proof = fmt.Sprintf("and incarnation %d was built on it", h.incarnation)
		return true
	case h.kind == kindCopy:
		// They may be the remains of a recovery that was cut short; but no group is
		// written before the open frame is durable.
		if ev.copied.incarnation != h.incarnation {
			ev.copied = first{h.incarnation, file, at}
		}
	default:
		if ev.begun < 0 {
			begins := first{h.incarnation, file, at}
			if ev.copied.incarnation == h.incarnation {
				begins = ev.copied
			}
			ev.begun = s.opening(begins.file, begins.at)
		}
		ev.goOn(h, file, at)
		return true
	}
	return ev.marked && ev.next >= 0
}

// noteMissing notes that the segment behind the current one is missing, if a
// later file is in use: a segment's name is durable before the next one is used.
func (s *scan) noteMissing(ev *evidence, file int) {
	if want := s.files[s.file].ordinal + 1; file > s.file && s.files[s.file+1].ordinal != want {
		ev.missing = want
	}
}

func (ev *evidence) goOn(h *header, file int, at int64) {
	if ev.next < 0 {
		ev.next, ev.nextOffset, ev.nextFrame = file, at, *h
	}
}

// opening returns the file that lost its open frame, if a later incarnation has its
// first frame that is left at a place of the file given. That is this file, unless it
// has all from its head on: then the one before it. Openings that failed may have left
// files between what the incarnation was built on and its own.
func (s *scan) opening(file int, at int64) int {
	switch {
	case at > 0:
		return file
	case s.cur.incarnation == 0:
		return s.file
	}
	return min(max(s.file+1, file-1), file)
}

// tornBytes estimates what a crash dropped behind the last whole group.
func (s *scan) tornBytes(h *header, v verdict, ev evidence) int64 {
	lost := ev.bytes
	switch {
	case v == frameBroken && h.incarnation == s.cur.incarnation, s.win.resembles(s.offset, s.cur):
		if h.length > 0 && h.length <= MaxGroupBytes && s.offset+int64(h.length) <= s.win.size {
			return lost + int64(h.length)
		}
		return lost + 1
	case len(s.used) > 0 && s.used[len(s.used)-1].recycled:
		return lost // what is there may be an older use of the file
	}
	for at := s.offset; at < s.win.size && !s.win.isZero(at); at += sectorBytes {
		lost += sectorBytes
	}
	return lost
}

// start returns the incarnation that the next opening gets, and the ordinal of
// its first segment.
func (s *scan) start() (incarnation, ordinal uint64) {
	ordinal = s.id.state.baseOrdinal
	if n := len(s.used); n > 0 {
		ordinal = s.used[n-1].ordinal + 1
	}
	return s.incarnation() + 1, ordinal
}

// end is the log's end.
func (s *scan) end() substrate.Offset { return s.cur.at }
