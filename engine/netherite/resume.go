package netherite

import (
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
}

// all begins anew, with all instances.
func (s *scan) all() { *s = scan{pending: true, size: s.size} }

// some adds instances.
func (s *scan) some(ords []uint64) {
	if !s.pending {
		s.told = append(s.told, ords...)
	} else if len(ords) > 0 { // it may have passed them
		s.all()
	}
}

// next returns the next slice.
func (s *scan) next(h *host) (ords []uint64, err error) {
	s.size = max(s.size, leastResumed)
	if s.pending {
		if !s.begun {
			s.begun = true
			h.state.ResumeAll()
		}
		ords, s.pending, err = partition.ScanActive(reader{h.n.store}, h.id, s.after, s.size)
		if len(ords) > 0 {
			s.after = ords[len(ords)-1]
		}
		return ords, err
	}
	n := min(s.size, len(s.told))
	ords, s.told = s.told[:n], s.told[n:]
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
// workers and what is ready has been handed out.
func (h *host) resumeMore() {
	s := &h.upkeep.scan
	if !s.pending && len(s.told) == 0 || !h.n.e.feed.connected() || !h.n.mayDispatch() ||
		len(h.hands.orchestrations)+len(h.hands.entities) >= maxStepBacklog {
		return
	}
	before, _ := h.state.Bytes()
	begins := s.pending && !s.begun // with what is in memory, which may be all there is
	ords, err := s.next(h)
	if err == nil && len(ords) > 0 {
		keys := make([]partition.Key, len(ords))
		for i, ord := range ords {
			keys[i].Ord = ord
		}
		err = h.loadKeys(keys)
	}
	if err != nil {
		h.broken(err)
		return
	}
	for _, ord := range ords {
		mark.Hit(mark.StoredWorkResumed)
		h.state.Resume(ord)
	}
	h.state.ForgetAbsent()
	after, _ := h.state.Bytes()
	s.took(after-before, captureShare(h.n.opts.Memory))
	if begins || s.pending || len(ords) > 0 {
		h.poke()
	}
}
