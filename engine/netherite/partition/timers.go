package partition

import (
	"cmp"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// timerHeap orders timers by (FireAt, Ord, ID). Entries of timers that were
// cancelled stay until they come up or the heap is tidied.
type timerHeap []TimerRef

// heapTidy is the size from which a checkpoint tidies the timer heap, unless
// tidying left more than half of it there the last time.
const heapTidy = 1 << 12

func (h *timerHeap) push(r TimerRef) {
	*h = append(*h, r)
	list, i := *h, len(*h)-1
	for up := (i - 1) / 2; i > 0 && compareTimers(list[i], list[up]) < 0; up = (i - 1) / 2 {
		list[i], list[up] = list[up], list[i]
		i = up
	}
}

// pop takes out the first timer.
func (h *timerHeap) pop() TimerRef {
	list := *h
	first, last := list[0], len(list)-1
	list[0] = list[last]
	*h = list[:last]
	h.down(0)
	return first
}

// down moves the timer at i to where it belongs below.
func (h timerHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if compareTimers(h[child], h[least]) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// order makes a heap of any list.
func (h timerHeap) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func compareTimers(a, b TimerRef) int {
	return cmp.Or(cmp.Compare(a.FireAt, b.FireAt), cmp.Compare(a.Ord, b.Ord), cmp.Compare(a.ID, b.ID))
}

// addTimer adds a timer to an instance. One of the same ID that has not fired is
// replaced: only a foreign language does that.
func (s *State) addTimer(inst *instance, t *timer) {
	inst.removeTimer(t.id)
	inst.timers.add(t.id, t)
	inst.size += timerSize(t)
	s.timers.push(TimerRef{FireAt: t.fireAt, Ord: inst.ord, ID: t.id})
}

// timerOf is the timer that an orchestration asked for.
func timerOf(ev *model.Event) *timer {
	return &timer{id: ev.ID, fireAt: ev.FireAt, name: ev.Name, attempt: ev.Extra().Attempt}
}

// removeTimer takes a timer out, nil if there is none. Its entry in the heap
// stays and comes to nothing.
func (inst *instance) removeTimer(id int32) *timer {
	t := inst.timers.remove(id)
	if t != nil {
		inst.size -= timerSize(t)
		inst.stored.deadTimer(t)
	}
	return t
}

func timerSize(t *timer) int64 {
	if t.msg == nil {
		return 96
	}
	return 96 + eventSize(&t.msg.event)
}

// wakeAt delivers an entry to the instance at a time.
func (s *State) wakeAt(inst *instance, at model.Time, e *entry) {
	s.touch(inst)
	s.addTimer(inst, &timer{id: inst.nextWake, fireAt: at, msg: e})
	inst.nextWake++
}

// DueTimers takes up to max timers that are due at now, in order.
func (s *State) DueTimers(now model.Time, max int, dst []TimerRef) []TimerRef {
	for len(s.timers) > 0 && max > 0 && s.timers[0].FireAt <= now {
		dst = append(dst, s.timers.pop())
		max--
	}
	return dst
}

// NextTimer is when the first timer known in memory is due; 0 if there is none.
func (s *State) NextTimer() model.Time {
	if len(s.timers) == 0 {
		return 0
	}
	return s.timers[0].FireAt
}

// Horizon is the time before which all stored timers are in memory.
func (s *State) Horizon() model.Time { return s.horizon }

// TimersBeyond reports whether there may be stored timers, beyond the horizon,
// that are not in memory.
func (s *State) TimersBeyond() bool { return s.beyond }

// InstallTimers adds stored timers to memory and moves the horizon; beyond says
// whether more of them lie there.
func (s *State) InstallTimers(refs []TimerRef, horizon model.Time, beyond bool) {
	for _, r := range refs {
		s.timers.push(r)
	}
	s.horizon, s.beyond = max(s.horizon, horizon), beyond
}

// tidyTimers drops heap entries of timers that are gone, or that are stored and
// lie beyond the horizon so that they will be fetched when it gets there.
func (s *State) tidyTimers() {
	if len(s.timers) < max(heapTidy, 2*s.tidied) {
		return
	}
	kept := s.timers[:0]
	for _, r := range s.timers {
		inst := s.byOrd[r.Ord]
		switch {
		case inst == nil:
			if r.FireAt < s.horizon {
				kept = append(kept, r)
			}
		default:
			t := inst.timers.get(r.ID)
			if t != nil && t.fireAt == r.FireAt && (!t.stored || r.FireAt < s.horizon) {
				kept = append(kept, r)
			}
		}
	}
	s.beyond = s.beyond || len(kept) < len(s.timers)
	s.timers, s.tidied = kept, len(kept)
	if cap(kept) > 4*max(len(kept), heapTidy) {
		s.timers = append(make(timerHeap, 0, 2*len(kept)), kept...)
	}
	s.timers.order()
}

// checkTimers drops references to timers that no longer exist, or that come
// twice: from memory and from the store. Those that are not due at now wait: the
// event waited for a rebuild, and meanwhile the wall clock was set back.
func (s *State) checkTimers(e *TimersFired, now model.Time) Verdict {
	kept := e.Timers[:0]
	for _, r := range e.Timers {
		if n := len(kept); n > 0 && kept[n-1] == r {
			continue
		}
		if !s.pending(r) {
			continue
		}
		if r.FireAt > now && !planted.TimersEarly {
			s.timers.push(r)
			continue
		}
		kept = append(kept, r)
	}
	if e.Timers = kept; len(kept) == 0 {
		mark.Hit(mark.TimersGone)
		return Drop
	}
	return Admit
}

// pending reports whether there is the timer that r refers to.
func (s *State) pending(r TimerRef) bool {
	inst := s.find(Key{Ord: r.Ord})
	if inst == nil {
		return false
	}
	t := inst.timers.get(r.ID)
	return t != nil && t.fireAt == r.FireAt
}

// timersFired delivers what the timers stand for.
func (s *State) timersFired(e *TimersFired) {
	for _, r := range e.Timers {
		s.culprit = Key{Ord: r.Ord}
		inst := s.find(s.culprit)
		s.touch(inst)
		if t := inst.removeTimer(r.ID); t != nil {
			s.fire(inst, t)
		}
	}
}

func (s *State) fire(inst *instance, t *timer) {
	e := entry{event: model.Event{Kind: model.TimerFired, ID: model.NoID, Ref: t.id, FireAt: t.fireAt}}
	if t.msg != nil {
		e = *t.msg
	}
	switch {
	case inst.holds:
		s.hold(inst, &model.Message{To: inst.id, From: e.from, Event: e.event})
	case t.msg == nil:
		s.push(inst, "", e.event)
	case inst.isEntity():
		mark.Hit(mark.SignalDue)
		s.enter(inst, e)
	default:
		s.beginDue(inst, e.event)
	}
}

// beginDue puts the ExecutionStarted of a scheduled start before what was raised
// meanwhile.
func (s *State) beginDue(inst *instance, ev model.Event) {
	s.touch(inst)
	ev.ID, ev.Time = model.NoID, s.advance(inst)
	inst.inbox = append([]entry{{seq: startSeq, event: ev}}, inst.inbox...)
	inst.size += eventSize(&ev)
	s.wake(inst)
}
