package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

// rewind makes a failed orchestration go on: its worker is told, and answers
// with the history to go on from (OrchestrationResult.Rewound).
func (s *State) rewind(inst *instance, ev model.Event) {
	s.touch(inst)
	s.setStatus(inst, model.Running)
	inst.output, inst.failure, inst.completed, inst.quarantine = nil, nil, 0, nil
	s.push(inst, "", ev)
}

// rewindChild takes the rewind of a parent, which awaits the child anew: a failed
// one is rewound too, one that ended otherwise meanwhile answers once more, one
// that still runs will answer the new execution, and one that was purged is
// started again.
func (s *State) rewindChild(inst *instance, m *model.Message) {
	x := m.Event.Extra()
	switch {
	case x.Parent == nil || len(x.CarryOver) != 1:
		return
	case inst == nil:
		s.create(m.To, x.CarryOver[0], request{})
		return
	case inst.parent == nil || inst.parent.Instance != m.From || inst.parent.ID != x.Parent.ID:
		s.refuseChild(&x.CarryOver[0])
		return
	}
	s.touch(inst)
	inst.parent = x.Parent
	switch {
	case inst.status == model.Failed:
		mark.Hit(mark.ChildRewound)
		s.rewind(inst, model.Event{Kind: model.ExecutionRewound, Payload: m.Event.Payload})
	case inst.ended():
		s.answerParent(inst)
	}
}

// applyRewound replaces the history and takes up again what it has asked for and
// not been answered.
func (s *State) applyRewound(inst *instance, events []model.Event) {
	mark.Hit(mark.Rewound)
	s.forgetWork(inst)
	s.dropAnswers(inst)
	s.newHistory(inst)
	inst.last = engine.Name{} // no live copy has this history
	open := unanswered{byID: map[int32]*model.Event{}, byRequest: map[string]*model.Event{}}
	var reason []byte
	for i := range events {
		ev := &events[i]
		s.record(inst, ev)
		open.see(ev)
		switch ev.Kind {
		case model.ExecutionStarted:
			if x := ev.Extra(); !x.Execution.IsZero() {
				inst.execution = x.Execution
			}
		case model.ExecutionRewound:
			reason = ev.Payload
		}
	}
	for i := range events { // in their order: a map has none
		if ev := &events[i]; open.byID[ev.ID] == ev || open.byRequest[ev.RequestID] == ev {
			s.reopen(inst, ev, reason)
		}
	}
	inst.more = true
}

// dropAnswers drops what has come since the rewind was asked for and answers the
// old history: all that is open in the new one is asked for again.
func (s *State) dropAnswers(inst *instance) {
	rest := inst.inbox
	s.dropInbox(inst)
	for _, e := range rest {
		if keptAcrossExecutions(e.event.Kind) {
			s.push(inst, e.from, e.event)
		}
	}
}

// unanswered collects what a history asks for and is not answered in it.
type unanswered struct {
	byID      map[int32]*model.Event
	byRequest map[string]*model.Event
}

func (u *unanswered) see(ev *model.Event) {
	switch ev.Kind {
	case model.TaskScheduled, model.TimerCreated, model.ChildCreated:
		if !detached(ev.Extra()) {
			u.byID[ev.ID] = ev
		}
	case model.TaskCompleted, model.TaskFailed, model.TimerFired, model.ChildCompleted, model.ChildFailed:
		delete(u.byID, ev.Ref)
	case model.EntityCalled, model.EntityLockRequested:
		u.byRequest[ev.RequestID] = ev
	case model.EntityResponded, model.EntityOperationFailed, model.EntityLockGranted:
		delete(u.byRequest, ev.RequestID)
	}
}

// reopen takes up one thing that a rewound history still waits for. An entity's
// operation is not called again: it may have run.
func (s *State) reopen(inst *instance, ev *model.Event, reason []byte) {
	switch ev.Kind {
	case model.TaskScheduled:
		own := *ev // without the rest of the history
		s.schedule(inst, &own)
	case model.TimerCreated:
		s.addTimer(inst, timerOf(ev))
	case model.ChildCreated:
		inst.addChild(ev)
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.ExecutionRewound, ID: model.NoID, Ref: ev.ID, Payload: reason,
			Ext: &model.Ext{Parent: parentOf(inst, ev.ID), CarryOver: []model.Event{childStart(inst, ev)}},
		}})
	case model.EntityLockRequested:
		s.requestLock(inst, ev)
	case model.EntityCalled:
		s.push(inst, "", model.Event{Kind: model.EntityOperationFailed, RequestID: ev.RequestID, Failure: &model.Failure{
			Type: failureUnknown, Message: "the answer was lost when the orchestration failed; whether the operation ran is unknown",
		}})
	}
}

// failureUnknown is the type of a failure that leaves open what happened.
const failureUnknown = "OutcomeUnknown"
