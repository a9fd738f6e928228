package netherite

import (
	"math"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
)

// How many stored instances are made ready at a time: the more, the less they take.
const (
	leastResumed = 4
	mostResumed  = 128
)

// scan is the search for instances that have something to run: among all, those in
// memory first, of which the store may not know yet, or among those that it is told.
type scan struct {
	pending bool
	begun   bool
	after   uint64
	told    []uint64 // ordinals; nothing if pending, which comes to them
	size    int      // of the next slice
	ahead   [3]ahead // by kind
}

// ahead is how far a look has come at what the search has yet to come to, while it waits
// because enough of another kind waits for workers: that is passed over, and found later.
type ahead struct {
	after  uint64 // as in scan
	passed int    // of told
	over   bool
}

// all begins anew, with all instances.
func (s *scan) all() { *s = scan{pending: true, size: s.size} }

// some adds instances.
func (s *scan) some(ords []uint64) {
	if !s.pending {
		s.told = append(s.told, ords...)
		for kind := range s.ahead {
			s.ahead[kind].over = false
		}
	} else if len(ords) > 0 { // it may have passed them
		s.all()
	}
}

// next returns the next slice.
func (s *scan) next(h *host) (ords []uint64, err error) {
	if s.pending {
		ords, s.pending, err = partition.ScanActive(reader{h.n.store}, h.id, s.after, s.size)
		if len(ords) > 0 {
			s.after = ords[len(ords)-1]
		}
		return ords, err
	}
	n := min(s.size, len(s.told))
	ords, s.told = s.told[:n], s.told[n:]
	for kind := range s.ahead {
		s.ahead[kind].passed = max(0, s.ahead[kind].passed-n)
	}
	return ords, nil
}

// peek returns the next slice of what is to be looked at for the sake of those kinds of
// which there is not enough. It begins where one of them has got least far, so that
// kinds that are wanted together are looked for together: each slice is loaded.
func (s *scan) peek(h *host, enough [3]bool) (ords []uint64, err error) {
	at := ahead{math.MaxUint64, math.MaxInt, true}
	for kind, a := range s.ahead {
		if !enough[kind] && !a.over {
			at = ahead{min(at.after, a.after), min(at.passed, a.passed), false}
		}
	}
	if at.over {
		return nil, nil
	}
	if s.pending {
		var more bool
		ords, more, err = partition.ScanActive(reader{h.n.store}, h.id, max(at.after, s.after), s.size)
		if at.over = !more; len(ords) > 0 {
			at.after = ords[len(ords)-1]
		}
	} else {
		n := min(s.size, len(s.told)-at.passed)
		ords = s.told[at.passed : at.passed+n]
		at.passed += n
		at.over = at.passed == len(s.told)
	}
	for kind := range s.ahead {
		if a := &s.ahead[kind]; !enough[kind] && !a.over {
			*a = ahead{max(a.after, at.after), max(a.passed, at.passed), at.over}
		}
	}
	return ords, err
}

// took notes how much memory the last slice took, of which none is to take more than
// bound.
func (s *scan) took(bytes, bound int64) {
	switch {
	case bytes > bound:
		s.size = max(s.size/2, leastResumed)
	case bytes < bound/4:
		s.size = min(2*s.size, mostResumed)
	}
}

// resumeMore makes another slice of stored instances ready, when there are
// workers and what is ready has been handed out. If that is so of some kinds only, it
// looks ahead for those.
func (h *host) resumeMore() {
	s := &h.upkeep.scan
	if !s.pending && len(s.told) == 0 || !h.n.e.feed.connected() || !h.n.mayDispatch() {
		return
	}
	s.size = max(s.size, leastResumed)
	begins := s.pending && !s.begun // with what is in memory, which may be all there is
	if begins {
		s.begun = true
		h.state.ResumeAll()
	}
	var ords []uint64
	var err error
	enough := h.hands.enough()
	if enough == [...]bool{false, false, false} {
		ords, err = s.next(h)
	} else {
		ords, err = s.peek(h, enough)
	}
	if err == nil {
		err = h.resume(ords, enough)
	}
	if err != nil {
		h.broken(err)
		return
	}
	if begins || len(ords) > 0 {
		h.poke()
	}
}

// resume makes stored instances ready, but nothing of the kinds of which there is
// enough: what has nothing else may be evicted until the search comes to it.
func (h *host) resume(ords []uint64, enough [3]bool) error {
	if len(ords) == 0 {
		return nil
	}
	before, _ := h.state.Bytes()
	keys := make([]partition.Key, len(ords))
	for i, ord := range ords {
		keys[i].Ord = ord
	}
	if err := h.loadKeys(keys); err != nil {
		return err
	}
	for _, ord := range ords {
		mark.Hit(mark.StoredWorkResumed)
		h.state.Resume(ord, enough)
	}
	h.state.ForgetAbsent()
	after, _ := h.state.Bytes()
	h.upkeep.scan.took(after-before, captureShare(h.n.opts.Memory))
	return nil
}
