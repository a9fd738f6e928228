package partition

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// entity is the part of an instance that only entities have. While a critical
// section holds the lock, the inbox has its operations and the backlog what
// everybody else sent, in order of arrival.
type entity struct {
	state   []byte
	section string // key of the critical section that holds the lock, "" if none
	holder  string // orchestration that it belongs to
	backlog []entry
}

// isOperation reports whether an entity's message goes to a worker.
func isOperation(k model.Kind) bool { return k == model.EntitySignaled || k == model.EntityCalled }

// deliverToEntity takes a message for an entity, which begins to exist with it.
func (s *State) deliverToEntity(inst *instance, m *model.Message) {
	ev := m.Event
	if inst != nil && inst.holdsBack(&ev) {
		s.hold(inst, m)
		return
	}
	switch ev.Kind {
	case model.EntitySignaled, model.EntityCalled, model.EntityLockRequested:
	case model.EntityUnlockSent:
		if inst == nil {
			return
		}
	default:
		return
	}
	if inst == nil {
		inst = s.createEntity(m.To)
	}
	e := entry{from: m.From, event: ev}
	if ev.Kind == model.EntityLockRequested {
		e.from = ev.Extra().Parent.Instance // it may have been forwarded by another entity
	}
	if isOperation(ev.Kind) && ev.FireAt > s.now {
		late := e // a copy of its own, so that e itself is not allocated
		mark.Hit(mark.SignalScheduled)
		s.wakeAt(inst, ev.FireAt, &late)
		return
	}
	s.enter(inst, e)
}

func (s *State) createEntity(id string) *instance {
	inst := s.newInstance(id, model.RequestExecution([16]byte{}, s.nextOrd, id))
	inst.entity = &entity{}
	inst.status = model.Running
	if e, err := model.ParseEntityID(id); err == nil {
		inst.name = e.Name
	}
	return inst
}

// enter puts a message into the inbox, or into the backlog while somebody else
// holds the lock, and then takes or gives up the lock if that comes first.
func (s *State) enter(inst *instance, e entry) {
	s.touch(inst)
	e.event.ID, e.event.Time = model.NoID, s.advance(inst)
	e.seq = inst.nextSeq
	inst.nextSeq++
	ent := inst.entity
	switch {
	case e.event.Kind == model.EntityUnlockSent && !ent.free() && !ent.held(&e):
		mark.Hit(mark.LockWithdrawn)
		s.withdraw(inst, &e)
		return
	case !ent.free() && !ent.held(&e) && !(planted.LockPassed && isOperation(e.event.Kind)):
		mark.Hit(mark.BehindLock)
		e.backlog = true
		ent.backlog = append(ent.backlog, e)
		inst.size += eventSize(&e.event)
		return
	}
	if planted.LockReleasedEarly && e.event.Kind == model.EntityUnlockSent {
		s.giveUpLock(inst, e.event.RequestID)
	}
	s.addEntry(inst, e)
	inst.size += eventSize(&e.event)
	s.settle(inst)
}

// free reports whether nobody holds the lock.
func (ent *entity) free() bool { return ent.section == "" }

// held reports whether a message belongs to the critical section that holds the
// lock: an operation of its holder, or its release. Another section of the same
// holder waits like any other.
func (ent *entity) held(e *entry) bool {
	if e.from != ent.holder || ent.free() {
		return false
	}
	return isOperation(e.event.Kind) || e.event.Kind == model.EntityUnlockSent && e.event.RequestID == ent.section
}

// operations is how many operations at the head of the inbox can run now.
func (s *State) operations(inst *instance) int {
	n := 0
	for n < len(inst.inbox) && n < s.cfg.MaxEntityBatch && isOperation(inst.inbox[n].event.Kind) {
		n++
	}
	return n
}

// checkEntity admits a result only from the hand-out in flight.
func (s *State) checkEntity(e *EntityDone) Verdict {
	inst := s.find(Key{Ord: e.Ord})
	if inst == nil || e.Handout == 0 || inst.handout.Number != e.Handout {
		return Drop
	}
	if e.Result.Failure != nil || len(e.Result.Results) == 0 {
		return Drop
	}
	if len(e.Result.Results) > inst.handed {
		e.Result.Results = e.Result.Results[:inst.handed]
	}
	for i := range e.Result.Results {
		if inst.inbox[i].event.Kind == model.EntitySignaled {
			e.Result.Results[i] = engine.OperationResult{} // nobody will read it
		}
	}
	e.Result.Now = inst.handedAt
	for i := range e.Result.Events {
		e.Result.Events[i].Time = e.Result.Now
	}
	return Admit
}

// FailedSignal is an operation that failed and whose failure nobody is answered.
type FailedSignal struct{ Entity, Operation, Request, Type string }

// FailedSignals lists the failures in a result that nobody is answered, if the result
// is of the hand-out in flight. Check, which drops them, comes after it.
func (s *State) FailedSignals(e *EntityDone) (failed []FailedSignal) {
	inst := s.find(Key{Ord: e.Ord})
	if inst == nil || e.Handout == 0 || inst.handout.Number != e.Handout {
		return nil
	}
	for i, r := range e.Result.Results[:min(len(e.Result.Results), inst.handed)] {
		if op := &inst.inbox[i].event; r.Failure != nil && op.Kind == model.EntitySignaled {
			failed = append(failed, FailedSignal{inst.id, op.Name, op.RequestID, r.Failure.Type})
		}
	}
	return failed
}

// entityDone applies the result of a batch of operations.
func (s *State) entityDone(e *EntityDone) {
	s.culprit = Key{Ord: e.Ord}
	inst, r := s.find(s.culprit), e.Result
	s.touch(inst)
	inst.updated = max(inst.updated, r.Now)
	now := s.advance(inst)
	inst.last = inst.handout
	s.takeBack(inst)
	inst.steps++
	for i := range r.Results {
		s.answerCall(inst, &inst.inbox[i].event, &r.Results[i])
	}
	inst.entity.state = r.State
	s.consume(inst, len(r.Results))
	for i := range r.Events {
		ev := r.Events[i]
		ev.Time = now
		s.entitySent(inst, &ev)
	}
	s.settle(inst)
}

// answerCall answers an operation that was called rather than signalled.
func (s *State) answerCall(inst *instance, op *model.Event, r *engine.OperationResult) {
	p := op.Extra().Parent
	if op.Kind != model.EntityCalled {
		return
	}
	ev := model.Event{Kind: model.EntityResponded, ID: model.NoID, RequestID: op.RequestID, Payload: r.Output}
	if r.Failure != nil {
		ev.Kind, ev.Payload, ev.Failure = model.EntityOperationFailed, nil, r.Failure
	}
	s.send(model.Message{To: p.Instance, ToExecution: p.Execution, From: inst.id, Event: ev})
}

// entitySent sends what an operation asked for.
func (s *State) entitySent(inst *instance, ev *model.Event) {
	switch ev.Kind {
	case model.EntitySignaled:
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: *ev})
	case model.EventSent:
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.EventRaised, ID: model.NoID, Name: ev.Name, Payload: ev.Payload,
		}})
	case model.ChildCreated:
		// The same ordinal may occur in every batch: the batch is part of the ID.
		batch := model.RequestExecution(inst.execution, inst.steps, inst.id)
		if ev.Instance == "" {
			ev.Instance = model.ChildExecution(batch, ev.ID, "").String()
		}
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.ExecutionStarted, ID: model.NoID, Name: ev.Name, Version: ev.Version,
			Instance: ev.Instance, Payload: ev.Payload, FireAt: ev.FireAt,
			Ext: &model.Ext{Execution: model.ChildExecution(batch, ev.ID, ev.Instance), Tags: childTags(nil, ev.Extra().Tags), Trace: ev.Extra().Trace},
		}})
	}
}

// turnAway answers what waits for an entity that is forgotten by force: calls
// fail, and lock requests begin anew with the entity that takes its place.
func (s *State) turnAway(inst *instance) {
	waiting := slices.Concat(inst.inbox, inst.entity.backlog)
	for i := range inst.held {
		waiting = append(waiting, inst.held[i].entry)
	}
	for _, e := range waiting {
		switch e.event.Kind {
		case model.EntityCalled:
			s.answerCall(inst, &e.event, &engine.OperationResult{Failure: &model.Failure{
				Type: model.FailureQuarantined, Message: "the entity was set aside, and purged before it came to this call",
			}})
		case model.EntityLockRequested:
			s.send(model.Message{To: inst.id, From: e.from, Event: e.event})
		case model.EntityUnlockSent: // only held ones wait; it may take back one of the requests
			s.send(model.Message{To: inst.id, From: e.from, Event: e.event})
		}
	}
}

// idle reports whether nothing would be lost if the entity did not exist.
func (inst *instance) idle() bool {
	ent := inst.entity
	return ent.state == nil && ent.free() && !inst.holds && len(inst.inbox) == 0 && len(ent.backlog) == 0 && inst.timers.live == 0
}
