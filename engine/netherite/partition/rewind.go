package partition

import (
	"github.com/netherite-go/netherite/model"
)

// rewind makes a failed orchestration go on: its worker is told, and answers
// with the history to go on from (OrchestrationResult.Rewound).
func (s *State) rewind(inst *instance, ev model.Event) {
	s.touch(inst)
	inst.status, inst.output, inst.failure, inst.completed = model.Running, nil, nil, 0
	s.push(inst, "", ev)
	s.changed(inst)
}

// rewindChild takes the rewind of a parent: a failed child is rewound too, one
// that was purged is started again.
func (s *State) rewindChild(inst *instance, m *model.Message) {
	x := m.Event.Extra()
	switch {
	case inst == nil && len(x.CarryOver) == 1:
		s.create(m.To, x.CarryOver[0], request{})
	case inst != nil && inst.status == model.Failed && inst.parent != nil && inst.parent.Instance == m.From:
		s.touch(inst)
		inst.parent = x.Parent
		s.rewind(inst, model.Event{Kind: model.ExecutionRewound, Payload: m.Event.Payload})
	}
}

// applyRewound replaces the history and takes up again what it has scheduled
// but not completed.
func (s *State) applyRewound(inst *instance, events []model.Event) {
	s.forgetWork(inst)
	s.newHistory(inst)
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
			open[ev.ID] = ev
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
		c := inst.children.get(ev.ID)
		if c == nil {
			c = &child{id: ev.ID, instance: ev.Instance, name: ev.Name}
			inst.children.add(ev.ID, c)
		}
		c.done, c.dirty = false, true
		s.send(model.Message{To: ev.Instance, From: inst.id, Event: model.Event{
			Kind: model.ExecutionRewound, ID: model.NoID, Ref: ev.ID, Payload: reason,
			Ext: &model.Ext{Parent: parentOf(inst, ev.ID), CarryOver: []model.Event{childStart(inst, ev)}},
		}})
	}
}
