package partition

import (
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// dueTask is a task to hand out at the next Dispatch.
type dueTask struct {
	inst *instance
	id   int32
}

// schedule adds an activity.
func (s *State) schedule(inst *instance, ev model.Event) {
	t := &task{event: ev, name: s.in.Name}
	inst.tasks.add(ev.ID, t)
	inst.size += eventSize(&ev) + 64
	s.offer(inst, t)
}

// offer queues a task for Dispatch.
func (s *State) offer(inst *instance, t *task) {
	if !s.live {
		return
	}
	t.handed = true
	inst.running++
	due := dueTask{inst, t.event.ID}
	if t.event.Extra().AfterCommit {
		s.committed = append(s.committed, due)
		return
	}
	s.tasks = append(s.tasks, due)
}

// token names a task's hand-out: by the record that scheduled it.
func (s *State) token(inst *instance, t *task) engine.Token {
	return engine.Token{Partition: uint32(s.cfg.Partition), Instance: inst.ord, Task: t.event.ID, Name: t.name}
}

// checkTask admits a result for a task that is still waiting and was scheduled
// by the very record that the result names.
func (s *State) checkTask(e *TaskDone) Verdict {
	inst := s.find(Key{Ord: e.Ord})
	if inst == nil {
		return Drop
	}
	if t := inst.tasks.get(e.Task); t == nil || t.name != e.Name {
		return Drop
	}
	return Admit
}

// taskDone takes the result of an activity.
func (s *State) taskDone(e *TaskDone) {
	inst := s.find(Key{Ord: e.Ord})
	s.touch(inst)
	s.removeTask(inst, e.Task)
	ev := model.Event{Kind: model.TaskCompleted, ID: model.NoID, Ref: e.Task, Payload: e.Result}
	if e.Failure != nil {
		ev.Kind, ev.Payload, ev.Failure = model.TaskFailed, nil, e.Failure
	}
	s.push(inst, "", ev)
}

func (s *State) removeTask(inst *instance, id int32) {
	t := inst.tasks.remove(id)
	inst.size -= eventSize(&t.event) + 64
	if t.stored {
		inst.stored.dead(subTask, uint64(uint32(id)))
	}
	if t.handed {
		inst.running--
	}
}

// cancelTask asks for a task's hand-out to be stopped; its row stays until its
// owner drops it or its result comes.
func (s *State) cancelTask(inst *instance, t *task) {
	t.dropped = true
	if t.handed {
		s.fx.Cancelled = append(s.fx.Cancelled, s.token(inst, t))
	}
}

// activityItem builds the item to hand out.
func (s *State) activityItem(inst *instance, t *task) *engine.ActivityItem {
	ev, x := &t.event, t.event.Extra()
	return &engine.ActivityItem{
		Token: s.token(inst, t), Instance: inst.id, Execution: inst.execution, Task: ev.ID,
		Name: ev.Name, Version: ev.Version, Input: ev.Payload, Tags: x.Tags, Trace: x.Trace,
		Call: x.Call, Attempt: max(x.Attempt, 1), Timeout: time.Duration(x.Timeout),
	}
}
