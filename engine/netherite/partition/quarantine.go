package partition

import (
	"slices"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// A quarantine sets an instance aside on which Step has panicked. Nothing of it
// runs, and nothing is done to it that could panic again: what comes for it is
// held, as it came, in the order in which it came, behind the event that could not
// be applied. When it is tried again, all of that is applied, as one record with
// the request: a panic undoes the whole retry, and the instance is where it was.
//
// What decides over an instance's life is not held: to be terminated or purged ends
// the quarantine, and what is held goes with it. Who waits for an answer to what
// was held is told so.

// Quarantined sets an instance aside because Step panicked on an event for it.
// There is only one at a time: what else cannot be applied to the instance is held
// behind the first, and its reason is not kept.
type Quarantined struct {
	Instance Key
	Reason   *model.Failure
	// Input is the event that could not be applied, for a retry to apply: Received
	// with one message, TaskDone, or TimersFired with one timer; all are for the
	// instance. It is nil if that comes again by itself (a step or a batch of
	// operations is handed out again), or cannot be kept.
	Input Event
	// Messages of Origin through Through count as received, when Through > 0.
	Origin  int
	Through uint64
}

// QuarantinedV1 is a quarantine as step version 1 had it. The event that could not
// be applied is lost, and what comes for the instance is applied as always.
type QuarantinedV1 struct {
	Instance Key
	Reason   *model.Failure
	Origin   int
	Through  uint64
}

// Kind implements Event.
func (*Quarantined) Kind() RecordKind { return KindQuarantined }

// Kind implements Event.
func (*QuarantinedV1) Kind() RecordKind { return KindQuarantinedV1 }

// Keys implements Event.
func (e *Quarantined) Keys(dst []Key) []Key { return append(dst, e.Instance) }

// Keys implements Event.
func (e *QuarantinedV1) Keys(dst []Key) []Key { return append(dst, e.Instance) }

// heldMessage is what has come for an instance that is set aside. Without a sender
// it is of a client, or the instance's own: a result, a timer, a scheduled start.
type heldMessage struct {
	entry
	to model.ExecutionID // as in model.Message
}

// quarantined sets an instance aside: nothing of it runs until it is terminated,
// rewound or purged.
func (s *State) quarantined(e *Quarantined) {
	s.receivedThrough(e.Origin, e.Through)
	s.culprit = e.Instance
	inst := s.find(e.Instance)
	if inst == nil {
		if inst = s.standIn(e); inst == nil {
			return
		}
	}
	s.touch(inst)
	s.advance(inst)
	if !inst.holds {
		mark.Hit(mark.SetAside)
		inst.quarantine, inst.holds = e.Reason, true
	}
	s.takeBack(inst)
	switch in := e.Input.(type) {
	case *Received:
		m := *in.Messages[0]
		s.hold(inst, &m)
	case *TaskDone:
		if inst.tasks.get(in.Task) != nil {
			s.hold(inst, &model.Message{To: inst.id, Event: resultOf(in)})
		}
	case *TimersFired:
		if t := inst.removeTimer(in.Timers[0].ID); t != nil {
			s.fire(inst, t)
		}
	}
}

func (s *State) quarantinedV1(e *QuarantinedV1) {
	s.receivedThrough(e.Origin, e.Through)
	if inst := s.find(e.Instance); inst != nil {
		s.touch(inst)
		s.advance(inst)
		inst.quarantine = e.Reason
		s.takeBack(inst)
	}
}

// receivedThrough counts messages as received.
func (s *State) receivedThrough(origin int, through uint64) {
	if through > 0 {
		s.seen[origin] = max(s.seen[origin], through)
		s.acknowledge(origin)
	}
}

// standIn makes what holds a message on which an instance would have begun: an
// entity that has nothing yet, or an orchestration that has no history (hist is 0).
// It returns nil for other messages: nobody would have got them.
func (s *State) standIn(e *Quarantined) *instance {
	in, ok := e.Input.(*Received)
	if !ok {
		return nil
	}
	m := in.Messages[0]
	if model.IsEntity(m.To) {
		mark.Hit(mark.StandInMade)
		return s.createEntity(m.To)
	}
	start := startOf(&m.Event)
	if start == nil {
		return nil
	}
	mark.Hit(mark.StandInMade)
	inst := s.newInstance(m.To, start.Extra().Execution)
	describeNew(inst, start)
	return inst
}

// startOf is the ExecutionStarted of a message by which an orchestration begins that
// is not there; nil if it is none.
func startOf(ev *model.Event) *model.Event {
	switch x := ev.Extra(); {
	case ev.Kind == model.ExecutionStarted:
		return ev
	case ev.Kind == model.ExecutionRewound && len(x.CarryOver) == 1:
		return &x.CarryOver[0]
	}
	return nil
}

// holdsBack reports whether a message for the instance is to be held. What ends or
// forgets it is not, nor a start, which does not concern it; and to one that has
// ended nothing makes a difference but a rewind.
func (inst *instance) holdsBack(ev *model.Event) bool {
	switch {
	case !inst.holds:
		return false
	case inst.isEntity():
		return true
	case inst.ended():
		return inst.status == model.Failed && ev.Kind == model.ExecutionRewound
	}
	switch ev.Kind {
	case model.ExecutionTerminated, model.ExecutionStarted, model.ExecutionRewound:
		return false
	}
	return true
}

// holdsResult reports whether the result of an activity is held.
func (inst *instance) holdsResult(task int32) bool {
	return slices.ContainsFunc(inst.held, func(h heldMessage) bool {
		return h.from == "" && h.event.Ref == task && (h.event.Kind == model.TaskCompleted || h.event.Kind == model.TaskFailed)
	})
}

// heldStart is the ExecutionStarted of the instance if it is held, else nil.
func (inst *instance) heldStart() *model.Event {
	for i := range inst.held {
		start := startOf(&inst.held[i].event)
		if start != nil && start.Extra().Execution == inst.execution {
			return start
		}
	}
	return nil
}

// hold keeps a message until the quarantine ends.
func (s *State) hold(inst *instance, m *model.Message) {
	s.touch(inst)
	if len(inst.held) > 0 {
		mark.Hit(mark.HeldBehind)
	}
	h := heldMessage{entry{seq: inst.nextSeq, from: m.From, event: m.Event}, m.ToExecution}
	h.event.Time = s.advance(inst)
	inst.nextSeq++
	inst.held = append(inst.held, h)
	inst.size += eventSize(&h.event)
}

// tell gives an orchestration an event that has no sender.
func (s *State) tell(inst *instance, ev model.Event) {
	if inst.holds {
		s.hold(inst, &model.Message{To: inst.id, Event: ev})
		return
	}
	s.push(inst, "", ev)
}

// takeHeld ends the holding and returns what was held.
func (s *State) takeHeld(inst *instance) []heldMessage {
	held := inst.held
	for i := range held {
		inst.size -= eventSize(&held[i].event)
		if held[i].stored {
			inst.stored.dead(subHeld, held[i].seq)
		}
	}
	inst.held, inst.holds = nil, false
	return held
}

// release ends a quarantine: what is held is applied, and the instance goes on where
// it was.
func (s *State) release(inst *instance) {
	s.touch(inst)
	s.advance(inst)
	inst.quarantine = nil
	if inst.holds {
		mark.Hit(mark.RetriedFromAside)
		for n, h := range s.takeHeld(inst) {
			if n > 0 {
				mark.Hit(mark.HeldApplied)
				if planted.HeldDroppedAtRetry {
					continue
				}
			}
			m := model.Message{To: inst.id, ToExecution: h.to, From: h.from, Event: h.event}
			m.Event.Time = s.now
			if !s.takeOwn(inst, &m) {
				s.deliver(&m)
			}
		}
		switch {
		case inst.gone:
		case inst.isEntity():
			s.settle(inst)
		case inst.hist == 0: // its start is lost, as a repair has said
			inst.hist = s.ordinal()
		}
	}
	if s.live {
		s.Resume(inst.ord, [3]bool{})
	}
}

// takeOwn applies what was held for an orchestration if it is none of the messages
// that instances send each other. It reports false if it is one.
func (s *State) takeOwn(inst *instance, m *model.Message) bool {
	ev := &m.Event
	if inst.isEntity() || inst.gone || inst.ended() {
		return false
	}
	switch ev.Kind {
	case model.TaskCompleted, model.TaskFailed:
		if inst.tasks.get(ev.Ref) != nil {
			s.touch(inst)
			s.removeTask(inst, ev.Ref)
			s.push(inst, "", *ev)
		}
		return true
	case model.TimerFired, model.ExecutionSuspended, model.ExecutionResumed:
		s.push(inst, "", *ev)
		return true
	case model.ExecutionStarted, model.ExecutionRewound:
		switch start := startOf(ev); {
		case inst.hist == 0:
			inst.hist = s.ordinal()
			s.admitStart(inst, *start)
			return true
		case m.From == "":
			s.beginDue(inst, *ev)
			return true
		}
	}
	return false
}

// dropHeld ends the holding of an instance that ends or is forgotten, and answers
// who waits for what was held. It reports whether its parent has asked for its
// answer anew; the answer goes to where parent says then.
func (s *State) dropHeld(inst *instance) (asked bool) {
	if !inst.holds {
		return false
	}
	for _, h := range s.takeHeld(inst) {
		mark.Hit(mark.HeldDropped)
		ev, x := h.event, h.event.Extra()
		switch {
		case inst.isEntity(): // turnAway has answered
		case ev.Kind == model.EntityLockGranted:
			s.unlockAll(inst.id, ev.RequestID, x.LockSet)
		case ev.Kind == model.ExecutionRewound && x.Parent != nil && inst.parent != nil &&
			inst.parent.Instance == h.from && inst.parent.ID == x.Parent.ID:
			inst.parent, asked = x.Parent, true
		case ev.Kind == model.ExecutionStarted && x.Parent != nil && x.Execution != inst.execution:
			s.send(model.Message{To: x.Parent.Instance, ToExecution: x.Parent.Execution, From: inst.id, Event: model.Event{
				Kind: model.ChildFailed, ID: model.NoID, Ref: x.Parent.ID, Failure: &model.Failure{
					Type: model.FailureQuarantined, Message: "the start could not be applied, and the instance that it was kept with is gone",
				},
			}})
		}
	}
	return asked
}

// IsSetAside says of an instance, whose key is loaded, whether it is there, and
// whether it holds what comes for it.
func (s *State) IsSetAside(k Key) (there, holds bool) {
	inst := s.find(k)
	return inst != nil, inst != nil && inst.holds
}

// Subject returns the ID of an instance, whose key is loaded, or "" if there is none,
// and whether it holds what comes for it.
func (s *State) Subject(k Key) (id string, holds bool) {
	if inst := s.find(k); inst != nil {
		return inst.id, inst.holds
	}
	return k.ID, false
}

// Held goes through what is held and would be applied again with an event, whose key
// is loaded.
func (s *State) Held(ev Event) func(yield func(*model.Message) bool) {
	return func(yield func(*model.Message) bool) {
		c, ok := ev.(*Command)
		if !ok || c.Op != OpRewind {
			return
		}
		inst := s.find(Key{ID: c.Instance})
		for i := range inst.held {
			h := &inst.held[i]
			if !yield(&model.Message{To: inst.id, ToExecution: h.to, From: h.from, Event: h.event}) {
				return
			}
		}
	}
}

// Following goes through the next follow-up of the current record, whose key is
// loaded, if it is going to be applied and not held.
func (s *State) Following(yield func(*model.Message) bool) {
	m := &s.followUps[s.nextUp]
	if inst := s.find(Key{ID: m.To}); inst == nil || !inst.holdsBack(&m.Event) {
		yield(m)
	}
}

// Same reports whether two keys, which are loaded, name one instance.
func (s *State) Same(a, b Key) bool {
	if a == b {
		return true
	}
	inst := s.find(a)
	return inst != nil && inst == s.find(b)
}
