package replay

import (
	"slices"

	"github.com/netherite-go/netherite/model"
)

// slots finds operations by action ID. IDs are dense and most answers come soon,
// so it is a window over them rather than a map.
type slots struct {
	base int32 // ID of at[0]
	head int   // everything before is answered
	at   []*Op
}

func (s *slots) put(id int32, op *Op) {
	if len(s.at) == 0 {
		s.base = id
	}
	for int(id-s.base) >= len(s.at) {
		s.at = append(s.at, nil)
	}
	s.at[id-s.base] = op
}

// take removes and returns the operation that waits for an answer to an action;
// nil if none does (any more).
func (s *slots) take(id int32) *Op {
	i := int(id) - int(s.base)
	if i < s.head || i >= len(s.at) || s.at[i] == nil {
		return nil
	}
	op := s.at[i]
	s.at[i] = nil
	for s.head < len(s.at) && s.at[s.head] == nil {
		s.head++
	}
	switch {
	case s.head == len(s.at):
		s.at, s.head = s.at[:0], 0
	case s.head >= 64 && s.head >= len(s.at)/2:
		s.at = slices.Delete(s.at, 0, s.head)
		s.base += int32(s.head)
		s.head = 0
	}
	return op
}

func sortByOrder(ops []*Op) {
	slices.SortFunc(ops, func(a, b *Op) int { return int(a.order) - int(b.order) })
}

// Cancel gives up waiting for the operation: it is done with err. A timer is
// cancelled, an activity that has not begun will not begin.
func (op *Op) Cancel(err error) {
	x := op.x
	x.enter()
	if op.order != 0 || x.inert() {
		return
	}
	outstanding := op
	if op.id == model.NoID && op.instead != nil {
		outstanding = op.instead
	}
	if outstanding.id != model.NoID {
		x.ops.take(outstanding.id)
		x.cancelled(outstanding)
	}
	if op.kind == opEvent {
		x.withdraw(op)
	}
	op.Err = err
	op.Finish()
}

// cancelled notes for the engine that nobody awaits the outstanding action any
// more. What a past step cancelled is committed already, if what it had asked for is.
func (x *Execution) cancelled(op *Op) {
	if x.past && !x.owed(op.id) {
		return
	}
	switch op.kind {
	case opTimer:
		x.cancelTimers = append(x.cancelTimers, op.id)
	case opTask:
		x.cancelTasks = append(x.cancelTasks, op.id)
	}
}

// takeCancelled returns the timers and activities that nobody awaits any more
// and whose events have been taken.
func (x *Execution) takeCancelled() (timers, tasks []int32) {
	sent := x.nextID
	if len(x.out) > 0 {
		sent = x.out[0].ID
	}
	timers, x.cancelTimers = split(x.cancelTimers, sent)
	tasks, x.cancelTasks = split(x.cancelTasks, sent)
	return timers, tasks
}

// split takes the IDs below limit.
func split(ids []int32, limit int32) (below, rest []int32) {
	if len(ids) == 0 || slices.Max(ids) < limit {
		return ids, nil
	}
	for _, id := range ids {
		if id < limit {
			below = append(below, id)
		} else {
			rest = append(rest, id)
		}
	}
	return below, rest
}
