package partition

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Wanted is what Dispatch is to build: at most Items, nothing of the kinds of which
// enough waits to be handed out. Of the orchestrations that have not begun, at most
// Begin do so beyond those whose turn it is among the others, see freshTurn.
type Wanted struct {
	Items, Begin int
	Enough       [3]bool // by engine.ItemKind
}

// Dispatch builds work items of what became ready since the last call: once per
// batch, so that one item carries all that came in it. It reports whether there is
// more of what is wanted. Handing out is volatile: what is lost is offered again by
// Resume.
func (s *State) Dispatch(epoch uint64, now model.Time, w Wanted, items *engine.Items) (more bool) {
	if !w.Enough[engine.ActivityKind] {
		n := min(w.Items, len(s.tasks))
		for _, due := range s.tasks[:n] {
			s.dispatchTask(due, items)
		}
		s.tasks = drop(s.tasks, n)
		w.Items -= n
		more = len(s.tasks) > 0
	}
	if !w.Enough[engine.EntityKind] {
		n := 0
		for ; w.Items > 0 && n < len(s.batches); n++ {
			if s.dispatchStep(s.batches[n], epoch, now, items) {
				w.Items--
			}
		}
		s.batches = drop(s.batches, n)
		more = more || len(s.batches) > 0
	}
	if !w.Enough[engine.OrchestrationKind] {
		more = s.dispatchSteps(epoch, now, w, items) || more
	}
	return more
}

// dispatchSteps is Dispatch of orchestrations.
func (s *State) dispatchSteps(epoch uint64, now model.Time, w Wanted, items *engine.Items) (more bool) {
	begun, fresh := 0, 0
	for w.Items > 0 && (begun < len(s.ready) || fresh < len(s.fresh) && w.Begin > 0) {
		var inst *instance
		switch turn := s.turn == freshTurn-1; {
		case fresh < len(s.fresh) && (turn || begun == len(s.ready)):
			inst, s.turn = s.fresh[fresh], 0
			fresh++
			if !turn {
				w.Begin--
			}
		default:
			inst = s.ready[begun]
			begun++
			if fresh < len(s.fresh) {
				s.turn++
			}
		}
		if s.dispatchStep(inst, epoch, now, items) {
			w.Items--
		}
	}
	s.ready, s.fresh = drop(s.ready, begun), drop(s.fresh, fresh)
	return len(s.ready) > 0 || len(s.fresh) > 0 && w.Begin > 0
}

// Unbegun is how many orchestrations could make their first step.
func (s *State) Unbegun() int { return len(s.fresh) }

// Queued reports whether there is anything to dispatch of the given kinds, beside
// orchestrations that have not begun.
func (s *State) Queued(kinds [3]bool) bool {
	return kinds[engine.OrchestrationKind] && len(s.ready) > 0 || kinds[engine.EntityKind] && len(s.batches) > 0 ||
		kinds[engine.ActivityKind] && len(s.tasks) > 0
}

// freshTurn is how many of the steps handed out begin an orchestration while others
// wait that have begun: one of so many. Finishing what has begun
// keeps few alive at a time, so that they are found alive. Taking turns among all,
// a hub with tens of thousands of them would replay each for every step, and take
// the longer the more there are. That none waits for ever is what the turn is for.
const freshTurn = 16

// HandOuts is the number of the last hand-out of a step.
func (s *State) HandOuts() uint64 { return s.handouts }

// DispatchAfterCommit builds the items of tasks whose schedule must be durable
// before they start.
func (s *State) DispatchAfterCommit(items *engine.Items) {
	for _, due := range s.committed {
		s.dispatchTask(due, items)
	}
	s.committed = drop(s.committed, len(s.committed))
}

// Hold notes that items which have just been built wait for a commit. Release
// follows, unless the state is rebuilt first.
func (s *State) Hold(items *engine.Items) {
	for _, i := range items.Activities {
		s.taskOf(i.Token).hand = handHeld
	}
}

// Release ends the wait of items and drops those that are not wanted any more,
// because their instance has ended meanwhile, or has been built anew.
func (s *State) Release(items *engine.Items) {
	items.Orchestrations = slices.DeleteFunc(items.Orchestrations, func(i *engine.OrchestrationItem) bool {
		return !s.HandedOut(i.Token)
	})
	items.Entities = slices.DeleteFunc(items.Entities, func(i *engine.EntityItem) bool { return !s.HandedOut(i.Token) })
	items.Activities = slices.DeleteFunc(items.Activities, func(i *engine.ActivityItem) bool {
		t := s.taskOf(i.Token)
		if t == nil || t.hand != handHeld {
			return true
		}
		t.hand = handOut
		return false
	})
}

// HandedOut reports whether a step is what its instance has handed out last: that of what
// has ended is not.
func (s *State) HandedOut(t engine.Token) bool {
	inst := s.byOrd[t.Instance]
	return inst != nil && inst.handout == t.Name
}

// taskOf returns the task of an activity's token, or nil.
func (s *State) taskOf(t engine.Token) *task {
	if inst := s.byOrd[t.Instance]; inst != nil {
		if task := inst.tasks.get(t.Task); task != nil && task.name == t.Name {
			return task
		}
	}
	return nil
}

// drop removes the first n elements, keeping the memory when nothing is left.
func drop[T any](q []T, n int) []T {
	clear(q[:n])
	if n == len(q) {
		return q[:0]
	}
	return q[n:]
}

func (s *State) dispatchTask(due dueTask, items *engine.Items) {
	switch {
	case due.t.hand != handQueued: // gone, or cancelled
	case due.inst.gone, due.inst.quarantine != nil:
		s.recall(due.inst, due.t)
	default:
		due.t.hand = handOut
		items.Activities = append(items.Activities, s.activityItem(due.inst, due.t))
	}
}

// dispatchStep hands out a step if there is one to make.
func (s *State) dispatchStep(inst *instance, epoch uint64, now model.Time, items *engine.Items) bool {
	inst.queued = false
	s.resize(inst) // whether it is at work
	n, ok := s.runnable(inst)
	if !ok {
		return false
	}
	s.handouts++
	now = inst.timeOfStep(now)
	inst.handout, inst.handed, inst.handedAt = engine.Name{Epoch: epoch, Number: s.handouts}, n, now
	t := engine.Token{Partition: uint32(s.cfg.Partition), Instance: inst.ord, Task: model.NoID, Name: inst.handout}
	if inst.isEntity() {
		items.Entities = append(items.Entities, inst.batchItem(t))
	} else {
		items.Orchestrations = append(items.Orchestrations, inst.stepItem(t))
	}
	return true
}

// tick is what SDKs tell times apart by in what they make of them, as GUIDs.
const tick = model.Time(100)

// timeOfStep is what the instance is told is now. It never goes back. Between two
// executions it moves, also while the clock stands or was set back: what the code makes
// of the instance's ID, the time and a counter, as its GUIDs, is not made again.
func (inst *instance) timeOfStep(now model.Time) model.Time {
	now = max(now, inst.updated)
	if again := inst.events == 0 && inst.steps > 0; again && !inst.isEntity() {
		now = max(now, inst.updated-inst.updated%tick+tick)
	}
	return now
}

// withRoom makes an item with room for n events. Most have one: that comes in one
// piece of memory with the item.
func withRoom[T any](n int) (*T, []model.Event) {
	if n != 1 {
		return new(T), make([]model.Event, n)
	}
	both := &struct {
		item   T
		events [1]model.Event
	}{}
	return &both.item, both.events[:]
}

// stepItem builds the item of a hand-out.
func (inst *instance) stepItem(t engine.Token) *engine.OrchestrationItem {
	item, events := withRoom[engine.OrchestrationItem](inst.handed)
	*item = engine.OrchestrationItem{
		Token: t, Instance: inst.id, Execution: inst.execution, Name: inst.name, Version: inst.version,
		Last: inst.last, Now: inst.handedAt, NewEvents: inst.told(events), More: inst.more,
		PastEvents: inst.events, PastBytes: inst.bytes, Past: inst.tail.whole(),
	}
	return item
}

// batchItem builds the item of a hand-out of an entity.
func (inst *instance) batchItem(t engine.Token) *engine.EntityItem {
	item, events := withRoom[engine.EntityItem](inst.handed)
	*item = engine.EntityItem{
		Token: t, Instance: inst.id, Last: inst.last, Now: inst.handedAt, Execution: inst.execution,
		State: inst.entity.state, Operations: inst.told(events), LockedBy: inst.entity.holder,
	}
	return item
}

// told fills in the messages of a hand-out, as the instance is told them.
func (inst *instance) told(events []model.Event) []model.Event {
	for i := range events {
		events[i] = inst.inbox[i].event
		events[i].Time = inst.handedAt
	}
	return events
}

// Abandon takes a hand-out back: it is offered again at the next Dispatch. One
// that is not in flight any more is left alone. The instance must be loaded.
func (s *State) Abandon(kind engine.ItemKind, t engine.Token) {
	inst := s.byOrd[t.Instance]
	if inst == nil {
		return
	}
	if kind == engine.ActivityKind {
		if task := inst.tasks.get(t.Task); task != nil && task.name == t.Name && task.hand == handOut {
			s.recall(inst, task)
			s.offer(inst, task)
		}
		return
	}
	if inst.handout == t.Name {
		if planted.UnloggedChange {
			inst.nextSeq++
		}
		s.takeBack(inst)
		s.wake(inst)
	}
}

// LetGo takes a hand-out back that nobody can run. It is not offered again before
// Resume, so that its instance need not stay in memory.
func (s *State) LetGo(kind engine.ItemKind, t engine.Token) {
	switch inst := s.byOrd[t.Instance]; {
	case inst == nil:
	case kind == engine.ActivityKind:
		if task := s.taskOf(t); task != nil && task.hand == handOut {
			s.recall(inst, task)
		}
	case inst.handout == t.Name:
		s.takeBack(inst)
	}
}

// LetGoQueued takes all out of the queues that Dispatch has not come to. Resume finds it
// again, once its instances are in memory. It reports whether there was anything.
func (s *State) LetGoQueued() bool {
	n := len(s.tasks) + len(s.batches) + len(s.ready) + len(s.fresh)
	for _, due := range s.tasks {
		if due.t.hand == handQueued {
			s.recall(due.inst, due.t)
		}
	}
	for _, queue := range [...][]*instance{s.batches, s.ready, s.fresh} {
		for _, inst := range queue {
			inst.queued = false
			s.resize(inst) // whether it is at work
		}
	}
	s.tasks, s.batches = drop(s.tasks, len(s.tasks)), drop(s.batches, len(s.batches))
	s.ready, s.fresh = drop(s.ready, len(s.ready)), drop(s.fresh, len(s.fresh))
	return n > 0
}

// ResumeLoaded ends replay: from now on Steps queue work. What the instances in
// memory have to run is queued, and all that the outbox retains is unsent.
func (s *State) ResumeLoaded() {
	s.live = true
	s.ResumeAll()
	for dest := range s.outbox {
		s.Resend(dest, 0)
	}
}

// ResumeAll queues what the instances in memory have to run and is not handed out.
func (s *State) ResumeAll() {
	ords := make([]uint64, 0, len(s.byOrd))
	for ord := range s.byOrd { // sorted: below
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	for _, ord := range ords {
		s.Resume(ord, [3]bool{})
	}
}

// Resume queues what a loaded instance has to run and is not handed out, but nothing of
// the kinds of which enough waits: its activities do not wait for its step to be wanted.
func (s *State) Resume(ord uint64, enough [3]bool) {
	inst := s.byOrd[ord]
	if inst == nil || inst.quarantine != nil {
		return
	}
	if !enough[engine.ActivityKind] {
		inst.tasks.all(func(_ int32, t *task) bool {
			s.offer(inst, t)
			return true
		})
	}
	kind := engine.OrchestrationKind
	if inst.isEntity() {
		kind = engine.EntityKind
	}
	if _, ok := s.runnable(inst); ok && !enough[kind] {
		s.wake(inst)
	}
}
