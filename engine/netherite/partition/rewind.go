package partition

import (
	"github.com/netherite-go/netherite/engine"
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
		s.rewind(inst, model.Event{Kind: model.ExecutionRewound, Payload: m.Event.Payload})
	case inst.ended():
		s.answerParent(inst)
	}
}

// applyRewound replaces the history and takes up again what it has scheduled
// but not completed.
func (s *State) applyRewound(inst *instance, events []model.Event) {
	s.forgetWork(inst)
	s.newHistory(inst)
	inst.last = engine.Name{} // no live copy has this history
	open := map[int32]*model.Event{}
	var reason []byte
	for i := range events {
		ev := &events[i]
		s.record(inst, ev)
		switch ev.Kind {
		case model.ExecutionStarted:
			if x := ev.Extra(); !x.Execution.IsZero() {
				inst.execution = x.Execution
			}
		case model.ExecutionRewound:
			reason = ev.Payload
		case model.TaskScheduled, model.TimerCreated, model.ChildCreated:
			if !detached(ev.Extra()) {
				open[ev.ID] = ev
			}
		case model.TaskCompleted, model.TaskFailed, model.TimerFired, model.ChildCompleted, model.ChildFailed:
			delete(open, ev.Ref)
		}
	}
	for i := range events { // in their order: a map has none
		if ev := &events[i]; open[ev.ID] == ev {
			s.reopen(inst, ev, reason)
		}
	}
	inst.more = true
}

// reopen takes up one thing that a rewound history still waits for.
func (s *State) reopen(inst *instance, ev *model.Event, reason []byte) {
	switch ev.Kind {
	case model.TaskScheduled:
		s.schedule(inst, *ev)
	case model.TimerCreated:
		s.addTimer(inst, ev.ID, ev.FireAt, nil)
	case model.ChildCreated:
		inst.addChild(ev)
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.ExecutionRewound, ID: model.NoID, Ref: ev.ID, Payload: reason,
			Ext: &model.Ext{Parent: parentOf(inst, ev.ID), CarryOver: []model.Event{childStart(inst, ev)}},
		}})
	}
}
