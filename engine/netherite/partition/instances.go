package partition

import (
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// wakeBase is the first ID of the timers that the engine makes itself
// (scheduled starts and signals), above all that orchestrations choose.
const wakeBase = 1 << 30

// startSeq is the inbox position reserved for ExecutionStarted, so that a
// scheduled start comes before what was raised meanwhile.
const startSeq = 1

// create makes a new orchestration from its ExecutionStarted event. There must
// be none of that ID in memory any more.
func (s *State) create(id string, ev model.Event, req request) *instance {
	x := ev.Extra()
	inst := s.newInstance(id, x.Execution)
	inst.request = req
	describeNew(inst, &ev)
	inst.hist = s.ordinal()
	s.admitStart(inst, ev)
	return inst
}

// describeNew fills in what a new orchestration's ExecutionStarted says of it.
func describeNew(inst *instance, ev *model.Event) {
	x := ev.Extra()
	inst.name, inst.version, inst.input = ev.Name, ev.Version, ev.Payload
	inst.tags, inst.parent, inst.trace = x.Tags, x.Parent, x.Trace
	inst.status = model.Pending
}

// admitStart makes a new orchestration begin, now or when it is scheduled.
func (s *State) admitStart(inst *instance, ev model.Event) {
	ev.Kind, ev.ID, ev.Instance = model.ExecutionStarted, model.NoID, inst.id
	if ev.FireAt > s.now {
		inst.scheduled = ev.FireAt
		s.wakeAt(inst, ev.FireAt, &entry{seq: startSeq, event: ev})
	} else {
		s.enqueueEntry(inst, entry{seq: startSeq, event: ev})
	}
}

// newInstance adds an instance to memory.
func (s *State) newInstance(id string, execution model.ExecutionID) *instance {
	inst := &instance{
		ord: s.ordinal(), id: id, execution: execution,
		created: s.now, updated: s.now,
		nextSeq: startSeq + 1, nextWake: wakeBase,
	}
	s.byOrd[inst.ord], s.byID[id] = inst, inst
	delete(s.absent, Key{ID: id})
	delete(s.absent, Key{Ord: inst.ord})
	s.touch(inst)
	s.notice(inst)
	return inst
}

// finish ends an orchestration: its last event is recorded, its parent
// answered, its locks released, and all that it waited for forgotten.
func (s *State) finish(inst *instance, ev model.Event) {
	x := ev.Extra()
	s.record(inst, &ev)
	s.setStatus(inst, x.Status)
	inst.output, inst.failure = ev.Payload, ev.Failure
	if !planted.EndedWithoutTime || x.Status != model.Terminated {
		inst.completed = s.advance(inst)
	}
	s.takeBack(inst)
	if len(x.Tags) > 0 {
		inst.tags = x.Tags
	}
	s.dropHeld(inst)
	s.answerParent(inst)
	s.forgetWork(inst)
	s.dropInbox(inst)
	inst.more, inst.suspended, inst.awaits = false, false, nil
}

// forgetWork drops what an execution waits for and releases its locks.
func (s *State) forgetWork(inst *instance) {
	inst.tasks.all(func(id int32, t *task) bool {
		s.stop(inst, t)
		inst.size -= taskSize(t)
		if t.stored {
			inst.stored.dead(subTask, uint64(uint32(id)))
		}
		return true
	})
	inst.tasks.reset()
	inst.timers.all(func(_ int32, t *timer) bool {
		inst.size -= timerSize(t)
		inst.stored.deadTimer(t)
		return true
	})
	inst.timers.reset()
	inst.calls = nil
	for _, sec := range inst.sections {
		s.unlockAll(inst.id, sec.key, sec.lockSet)
	}
	inst.sections = nil
}

// answerParent tells the parent how its child ended.
func (s *State) answerParent(inst *instance) {
	p := inst.parent
	if p == nil {
		return
	}
	ev := model.Event{Kind: model.ChildCompleted, ID: model.NoID, Ref: p.ID, Payload: inst.output}
	if inst.status != model.Completed {
		ev.Kind, ev.Payload, ev.Failure = model.ChildFailed, nil, inst.failure
		if ev.Failure == nil {
			ev.Failure = &model.Failure{
				Type:    inst.status.String(),
				Message: fmt.Sprintf("sub-orchestration %q ended as %s", inst.id, inst.status),
			}
		}
	}
	s.send(model.Message{To: p.Instance, ToExecution: p.Execution, From: inst.id, Event: ev})
}

// terminate ends an orchestration at once, without its worker.
func (s *State) terminate(inst *instance, output []byte, recurse bool) {
	mark.Hit(mark.Terminated)
	s.touch(inst)
	if inst.hist == 0 { // it only stands in for one that could not begin
		inst.hist = s.ordinal()
	}
	now := s.advance(inst)
	s.record(inst, &model.Event{Kind: model.OrchestratorStarted, ID: model.NoID, Time: now})
	if inst.events == 1 {
		mark.Hit(mark.TerminatedBeforeItBegan)
		s.recordUnstarted(inst, now)
	}
	told := model.Event{Kind: model.ExecutionTerminated, ID: model.NoID, Time: now, Payload: output}
	if recurse {
		told.Ext = &model.Ext{Recurse: true}
	}
	s.record(inst, &told)
	if recurse && !planted.ChildrenForgotten {
		s.terminateChildren(inst)
	}
	s.finish(inst, model.Event{
		Kind: model.ExecutionCompleted, ID: model.NoID, Time: now, Payload: output,
		Ext: &model.Ext{Status: model.Terminated},
	})
}

// recordUnstarted records the ExecutionStarted of an instance that never made a step.
func (s *State) recordUnstarted(inst *instance, now model.Time) {
	var start *model.Event
	if len(inst.inbox) > 0 && inst.inbox[0].event.Kind == model.ExecutionStarted {
		start = &inst.inbox[0].event
	}
	inst.timers.all(func(_ int32, t *timer) bool {
		if t.msg != nil && t.msg.event.Kind == model.ExecutionStarted {
			start = &t.msg.event
		}
		return start == nil
	})
	if start == nil {
		start = inst.heldStart()
	}
	if start != nil {
		ev := *start
		ev.Time = now
		s.record(inst, &ev)
	}
}

// terminateChildren tells the living children to end, and theirs.
func (s *State) terminateChildren(inst *instance) {
	inst.children.all(func(id int32, c *child) bool {
		if !c.done {
			mark.Hit(mark.TerminationSpreads)
			s.send(model.Message{To: c.instance, From: inst.id, Event: model.Event{
				Kind: model.ExecutionTerminated, ID: model.NoID, Ref: id,
				Ext: &model.Ext{Recurse: true},
			}})
		}
		return true
	})
}

// continueAsNew begins the next execution of an orchestration.
func (s *State) continueAsNew(inst *instance, ev *model.Event) {
	mark.Hit(mark.ContinuedAsNew)
	x := ev.Extra()
	rest := inst.inbox
	s.forgetWork(inst)
	inst.children.all(func(id int32, c *child) bool {
		inst.size -= childSize
		if c.stored {
			inst.stored.dead(subChild, uint64(uint32(id)))
		}
		return true
	})
	inst.children.reset()
	s.dropInbox(inst)
	s.newHistory(inst)
	inst.execution = model.NextExecution(inst.execution)
	inst.input, inst.awaits, inst.more = ev.Payload, nil, false
	if x.NewVersion != nil {
		inst.version = *x.NewVersion
	}
	start := model.Event{
		Kind: model.ExecutionStarted, ID: model.NoID, Name: inst.name, Version: inst.version,
		Instance: inst.id, Payload: inst.input,
		Ext: &model.Ext{Execution: inst.execution, Parent: inst.parent, Tags: inst.tags, Trace: inst.trace},
	}
	s.push(inst, "", start)
	for i := range x.CarryOver {
		s.push(inst, "", x.CarryOver[i])
	}
	for i := range rest {
		if keptAcrossExecutions(rest[i].event.Kind) {
			mark.Hit(mark.CarriedOver)
			s.push(inst, rest[i].from, rest[i].event)
		}
	}
}

// keptAcrossExecutions reports whether an unconsumed message is for the
// instance rather than for one of its executions.
func keptAcrossExecutions(k model.Kind) bool {
	switch k {
	case model.EventRaised, model.ExecutionSuspended, model.ExecutionResumed, model.GenericEvent:
		return true
	}
	return false
}

// newHistory makes the instance begin another history; the old one is deleted
// with the next checkpoint.
func (s *State) newHistory(inst *instance) {
	if inst.stored.chunks {
		inst.stored.deadHist = append(inst.stored.deadHist, inst.hist)
		inst.stored.chunks = false
	}
	inst.hist = s.ordinal()
	inst.tail.restart()
	inst.events, inst.bytes = 0, 0
}

// bury forgets an instance. Its rows are deleted with the next checkpoint.
func (s *State) bury(inst *instance) {
	s.touch(inst)
	if s.dropHeld(inst) {
		s.answerParent(inst)
	}
	inst.gone, s.buried = true, s.last
	s.notice(inst)
	delete(s.byOrd, inst.ord)
	delete(s.byID, inst.id)
	s.lru.remove(inst)
	if inst.stored.row || inst.stored.chunks || len(inst.stored.deadHist) > 0 {
		mark.Hit(mark.BuriedRows)
		s.graves[inst.ord] = &grave{inst: inst}
		s.graveIDs[inst.id] = inst.ord
	} else {
		s.absent[Key{ID: inst.id}] = struct{}{}
		s.absent[Key{Ord: inst.ord}] = struct{}{}
	}
}

// replace forgets an ended instance for another run of its ID. Who waits for it
// is told how it ended.
func (s *State) replace(inst *instance) {
	s.bury(inst)
	s.fx.Changes = append(s.fx.Changes, Change{
		Instance: inst.id, Ord: inst.ord, Status: inst.status, Was: describe(inst, engine.GetOptions{Payloads: true, Waits: true}),
	})
}

// setStatus changes the status, and reports it if somebody may wait for it.
func (s *State) setStatus(inst *instance, status model.Status) {
	if inst.status == model.Pending && status != model.Pending || status.Ended() {
		s.fx.Changes = append(s.fx.Changes, Change{Instance: inst.id, Ord: inst.ord, Status: status})
	}
	inst.status = status
	s.notice(inst)
}
