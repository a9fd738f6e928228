package partition

import (
	"cmp"
	"container/heap"

	"github.com/netherite-go/netherite/model"
)

// timerHeap orders timers by (FireAt, Ord, ID). Entries of timers that were
// cancelled stay until they come up or the heap is tidied.
type timerHeap []TimerRef

// heapTidy is the size from which a checkpoint tidies the timer heap.
const heapTidy = 1 << 16

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return compareTimers(h[i], h[j]) < 0 }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) { *h = append(*h, x.(TimerRef)) }

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func compareTimers(a, b TimerRef) int {
	return cmp.Or(cmp.Compare(a.FireAt, b.FireAt), cmp.Compare(a.Ord, b.Ord), cmp.Compare(a.ID, b.ID))
}

// addTimer adds a timer to an instance.
func (s *State) addTimer(inst *instance, id int32, fireAt model.Time, msg *entry) {
	t := &timer{id: id, fireAt: fireAt, msg: msg}
	inst.timers.add(id, t)
	inst.size += 96
	if msg != nil {
		inst.size += eventSize(&msg.event)
	}
	heap.Push(&s.timers, TimerRef{FireAt: fireAt, Ord: inst.ord, ID: id})
}

// wakeAt delivers an entry to the instance at a time.
func (s *State) wakeAt(inst *instance, at model.Time, e *entry) {
	s.touch(inst)
	s.addTimer(inst, inst.nextWake, at, e)
	inst.nextWake++
}

// cancelTimer forgets a timer whose firing nobody awaits.
func (s *State) cancelTimer(inst *instance, id int32) {
	if t := inst.timers.remove(id); t != nil {
		inst.size -= 96
		inst.stored.deadTimer(t)
	}
}

// DueTimers takes up to max timers that are due at now, in order.
func (s *State) DueTimers(now model.Time, max int, dst []TimerRef) []TimerRef {
	for len(s.timers) > 0 && max > 0 && s.timers[0].FireAt <= now {
		dst = append(dst, heap.Pop(&s.timers).(TimerRef))
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

// InstallTimers adds stored timers to memory and moves the horizon.
func (s *State) InstallTimers(refs []TimerRef, horizon model.Time) {
	for _, r := range refs {
		heap.Push(&s.timers, r)
	}
	s.horizon = max(s.horizon, horizon)
}

// tidyTimers drops heap entries of timers that are gone, or that are stored and
// lie beyond the horizon so that they will be fetched when it gets there.
func (s *State) tidyTimers() {
	if len(s.timers) < heapTidy {
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
	s.timers = kept
	heap.Init(&s.timers)
}

// checkTimers drops references to timers that no longer exist.
func (s *State) checkTimers(e *TimersFired) Verdict {
	kept := e.Timers[:0]
	for _, r := range e.Timers {
		if inst := s.find(Key{Ord: r.Ord}); inst != nil {
			if t := inst.timers.get(r.ID); t != nil && t.fireAt == r.FireAt {
				kept = append(kept, r)
			}
		}
	}
	if e.Timers = kept; len(kept) == 0 {
		return Drop
	}
	return Admit
}

// timersFired delivers what the timers stand for. One timer may occur twice in
// a batch if it was fetched twice.
func (s *State) timersFired(e *TimersFired) {
	for _, r := range e.Timers {
		s.culprit = Key{Ord: r.Ord}
		inst := s.find(s.culprit)
		if inst == nil {
			continue
		}
		s.touch(inst)
		t := inst.timers.remove(r.ID)
		if t == nil {
			continue
		}
		inst.size -= 96
		inst.stored.deadTimer(t)
		s.fire(inst, t)
	}
}

func (s *State) fire(inst *instance, t *timer) {
	switch {
	case t.msg == nil:
		s.push(inst, "", model.Event{Kind: model.TimerFired, Ref: t.id, FireAt: t.fireAt})
	case inst.isEntity():
		s.enter(inst, *t.msg)
	default:
		s.advance(inst)
		t.msg.event.ID, t.msg.event.Time = model.NoID, inst.updated
		inst.inbox = append([]entry{*t.msg}, inst.inbox...)
		s.wake(inst)
	}
}
