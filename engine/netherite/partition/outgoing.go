package partition

import (
	"slices"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// outgoing records one event that a step yielded and does what it asks for. The
// event becomes part of the state.
func (s *State) outgoing(inst *instance, ev *model.Event) {
	switch ev.Kind {
	case model.ExecutionCompleted:
		s.complete(inst, *ev)
		return
	case model.TimerCreated:
		if d := ev.Extra().Timeout; d > 0 {
			// A relative timer counts from the wall time of its record, not from
			// the instance's ratcheted clock (design review F17).
			absolute := *ev
			absolute.FireAt = s.now + model.Time(d)
			ev = &absolute
		}
		s.addTimer(inst, timerOf(ev))
	case model.TaskScheduled:
		s.schedule(inst, ev)
	case model.ChildCreated:
		ev = s.createChild(inst, ev)
	case model.EventSent:
		if planted.EventLost {
			break
		}
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.EventRaised, ID: model.NoID, Name: ev.Name, Payload: ev.Payload,
		}})
	case model.EntitySignaled:
		if planted.SignalLost {
			break
		}
		s.sendOperation(inst, *ev)
	case model.EntityCalled:
		inst.calls = append(inst.calls, pendingCall{id: ev.ID, request: ev.RequestID, entity: ev.Instance, operation: ev.Name})
		s.sendOperation(inst, *ev)
	case model.EntityLockRequested:
		s.requestLock(inst, ev)
	case model.EntityUnlockSent:
		s.releaseLock(inst, ev)
	}
	s.record(inst, ev)
}

// complete ends the execution, for good or as new.
func (s *State) complete(inst *instance, ev model.Event) {
	if ev.Extra().Status == model.ContinuedAsNew {
		s.continueAsNew(inst, &ev)
		return
	}
	if !ev.Extra().Status.Ended() {
		ev.Ext = &model.Ext{Status: model.Completed, Tags: ev.Extra().Tags}
	}
	s.finish(inst, ev)
}

// createChild starts a sub-orchestration. It returns the event with its ID.
func (s *State) createChild(inst *instance, ev *model.Event) *model.Event {
	x := ev.Extra()
	if ev.Instance == "" {
		named := *ev
		named.Instance = model.ChildExecution(inst.execution, ev.ID, "").String()
		ev = &named
	}
	start := childStart(inst, ev)
	if !detached(x) {
		inst.addChild(ev)
	}
	s.send(model.Message{To: ev.Instance, From: inst.id, Event: start})
	return ev
}

// childSize is what a child costs in memory, about.
const childSize = 120

// addChild notes a sub-orchestration that will answer; one of the same ID is
// replaced.
func (inst *instance) addChild(ev *model.Event) {
	c := &child{id: ev.ID, instance: ev.Instance, name: ev.Name, dirty: true}
	if old := inst.children.get(ev.ID); old == nil {
		inst.size += childSize
	} else {
		c.stored = old.stored
	}
	inst.children.add(ev.ID, c)
}

// childStart makes the child's first event from its parent's action.
func childStart(inst *instance, ev *model.Event) model.Event {
	x := ev.Extra()
	start := model.Event{
		Kind: model.ExecutionStarted, ID: model.NoID, Ref: ev.ID, Name: ev.Name, Version: ev.Version,
		Instance: ev.Instance, Payload: ev.Payload, FireAt: ev.FireAt,
		Ext: &model.Ext{Execution: model.ChildExecution(inst.execution, ev.ID, ev.Instance), Tags: childTags(inst.tags, x.Tags), Trace: x.Trace},
	}
	if !detached(x) {
		start.Ext.Parent = parentOf(inst, ev.ID)
	}
	return start
}

// detached reports whether a child will not answer its parent.
func detached(x *model.Ext) bool {
	_, ok := x.Tags[model.FireAndForget]
	return ok
}

// childTags are the tags that a child inherits with its own, which win.
func childTags(inherited, own map[string]string) map[string]string {
	if len(inherited) == 0 && len(own) == 0 {
		return nil
	}
	tags := make(map[string]string, len(inherited)+len(own))
	for _, from := range []map[string]string{inherited, own} {
		for k, v := range from { // order-free: copies a map
			if k != model.FireAndForget {
				tags[k] = v
			}
		}
	}
	return tags
}

func parentOf(inst *instance, id int32) *model.Parent {
	return &model.Parent{Instance: inst.id, Execution: inst.execution, Name: inst.name, Version: inst.version, ID: id}
}

// sendOperation sends a signal or call to an entity.
func (s *State) sendOperation(inst *instance, ev model.Event) {
	to, id := ev.Instance, ev.ID
	ev.ID, ev.Ext = model.NoID, &model.Ext{Parent: parentOf(inst, id), Trace: ev.Extra().Trace}
	s.send(model.Message{To: to, From: inst.id, Event: ev})
}

// deliver hands a message to its instance, which is loaded.
func (s *State) deliver(m *model.Message) {
	s.culprit = Key{ID: m.To}
	inst := s.find(s.culprit)
	if inst != nil && inst.holdsBack(&m.Event) {
		s.hold(inst, m)
		return
	}
	if model.IsEntity(m.To) {
		s.deliverToEntity(inst, m)
		return
	}
	ev := &m.Event
	switch {
	case ev.Kind == model.ExecutionStarted:
		s.startChild(inst, m)
		return
	case ev.Kind == model.ExecutionRewound:
		s.rewindChild(inst, m)
		return
	case ev.Kind == model.GenericEvent && ev.Name == purgeChild:
		if inst != nil && inst.ended() && inst.parent != nil && inst.parent.Instance == m.From {
			s.purge(inst, true)
		}
		return
	case inst == nil, inst.ended(), !m.ToExecution.IsZero() && m.ToExecution != inst.execution:
		mark.Hit(mark.MessageTooLate)
		if ev.Kind == model.EntityLockGranted && !planted.GrantOrphaned {
			s.unlockAll(m.To, ev.RequestID, ev.Extra().LockSet)
		}
		return
	}
	switch ev.Kind {
	case model.ExecutionTerminated:
		if m.From == "" || inst.parent != nil && inst.parent.Instance == m.From && inst.parent.ID == ev.Ref {
			mark.Hit(mark.TerminatedByMessage)
			s.terminate(inst, ev.Payload, ev.Extra().Recurse)
		}
		return
	case model.ChildCompleted, model.ChildFailed:
		c := inst.children.get(ev.Ref)
		if c == nil || c.done {
			return // answered before; the child was rewound on its own
		}
		s.touch(inst)
		c.done, c.dirty = true, true
	case model.EntityResponded, model.EntityOperationFailed:
		i := slices.IndexFunc(inst.calls, func(c pendingCall) bool { return c.request == ev.RequestID })
		if i < 0 {
			return
		}
		s.touch(inst)
		inst.calls = slices.Delete(inst.calls, i, i+1)
	case model.EntityLockGranted:
		i := slices.IndexFunc(inst.sections, func(sec section) bool { return sec.key == ev.RequestID })
		if i < 0 {
			s.unlockAll(m.To, ev.RequestID, ev.Extra().LockSet)
			return
		}
		s.touch(inst)
		inst.sections[i].granted = true
		told := *ev
		told.RequestID = inst.sections[i].id
		ev = &told
	case model.EventRaised:
	default:
		return // nothing that an orchestration can be told
	}
	s.push(inst, m.From, *ev)
}

// startChild starts the instance that another one asked for. A living instance
// of that ID fails the request; an ended one is replaced.
func (s *State) startChild(inst *instance, m *model.Message) {
	ev := m.Event
	if inst != nil {
		if !inst.ended() {
			s.refuseChild(&ev)
			return
		}
		s.replace(inst)
	}
	s.create(m.To, ev, request{})
}

// refuseChild tells the parent that the child's ID is taken.
func (s *State) refuseChild(ev *model.Event) {
	p := ev.Extra().Parent
	if p == nil {
		return
	}
	s.send(model.Message{To: p.Instance, ToExecution: p.Execution, From: ev.Instance, Event: model.Event{
		Kind: model.ChildFailed, ID: model.NoID, Ref: p.ID,
		Failure: &model.Failure{Type: model.FailureInstanceExists, NonRetriable: true,
			Message: "an instance of ID " + ev.Instance + " is living already"},
	}})
}
