package netherite

import (
	"github.com/netherite-go/netherite/engine"
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

// ahead is a look at what the search has yet to come to, while it waits because enough
// of another kind waits for workers: that is passed over, and found later.
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

// peek returns the next slice of what is to be looked at for the sake of one kind.
func (s *scan) peek(h *host, kind engine.ItemKind) (ords []uint64, err error) {
	a := &s.ahead[kind]
	if a.over {
		return nil, nil
	}
	if s.pending {
		var more bool
		ords, more, err = partition.ScanActive(reader{h.n.store}, h.id, max(a.after, s.after), s.size)
		if a.over = !more; len(ords) > 0 {
			a.after = ords[len(ords)-1]
		}
		return ords, err
	}
	n := min(s.size, len(s.told)-a.passed)
	ords = s.told[a.passed : a.passed+n]
	a.passed += n
	a.over = a.passed == len(s.told)
	return ords, nil
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
// workers and what is ready has been handed out. If that is so of one kind only, it
// looks ahead for that.
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
	switch steps, batches := enough[engine.OrchestrationKind], enough[engine.EntityKind]; {
	case steps && batches:
	case steps:
		ords, err = s.peek(h, engine.EntityKind)
	case batches:
		ords, err = s.peek(h, engine.OrchestrationKind)
	default:
		ords, err = s.next(h)
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

// resume makes stored instances ready, but those of kinds of which there is enough.
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
		if !enough[h.state.KindOf(ord)] {
			mark.Hit(mark.StoredWorkResumed)
			h.state.Resume(ord)
		}
	}
	h.state.ForgetAbsent()
	after, _ := h.state.Bytes()
	h.upkeep.scan.took(after-before, captureShare(h.n.opts.Memory))
	return nil
}
