package partition

import (
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// hand says where a task is; volatile.
type hand uint8

const (
	handNone   hand = iota // nowhere: replayed, cancelled, or its owner is set aside
	handQueued             // in State.tasks or State.committed
	handHeld               // built as an item, which waits for a commit
	handOut                // built as an item
)

// dueTask is a task to hand out at the next Dispatch, unless it is not queued
// any more by then.
type dueTask struct {
	inst *instance
	t    *task
}

// schedule adds an activity. One of the same ID that still waits is replaced:
// only a foreign language does that.
func (s *State) schedule(inst *instance, ev *model.Event) {
	if old := inst.tasks.get(ev.ID); old != nil {
		s.stop(inst, old)
		s.removeTask(inst, ev.ID)
	}
	t := &task{event: ev, name: s.in.Name}
	inst.tasks.add(ev.ID, t)
	inst.size += taskSize(t)
	s.offer(inst, t)
}

func taskSize(t *task) int64 { return eventSize(t.event) + 64 }

// offer queues a task for Dispatch.
func (s *State) offer(inst *instance, t *task) {
	if !s.live || t.dropped || t.hand != handNone {
		return
	}
	t.hand = handQueued
	inst.running++
	s.resize(inst) // it is at work
	due := dueTask{inst, t}
	if t.event.Extra().AfterCommit {
		s.committed = append(s.committed, due)
		return
	}
	s.tasks = append(s.tasks, due)
}

// recall notes that a task is in nobody's hands.
func (s *State) recall(inst *instance, t *task) {
	if t.hand != handNone {
		t.hand = handNone
		inst.running--
		s.resize(inst)
	}
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
	if t := inst.tasks.get(e.Task); t == nil || t.name != e.Name && !planted.IgnoreEpochOnReceive {
		mark.Hit(mark.TaskResultStale)
		return Drop
	}
	if inst.holdsResult(e.Task) {
		return Drop
	}
	return Admit
}

// taskDone takes the result of an activity.
func (s *State) taskDone(e *TaskDone) {
	s.culprit = Key{Ord: e.Ord}
	inst := s.find(s.culprit)
	ev := resultOf(e)
	if inst.holds { // its task stays until it is told
		s.hold(inst, &model.Message{To: inst.id, Event: ev})
		return
	}
	s.touch(inst)
	s.removeTask(inst, e.Task)
	s.push(inst, "", ev)
}

// resultOf is how an orchestration is told the result of an activity.
func resultOf(e *TaskDone) model.Event {
	ev := model.Event{Kind: model.TaskCompleted, ID: model.NoID, Ref: e.Task, Payload: e.Result}
	if e.Failure != nil {
		ev.Kind, ev.Payload, ev.Failure = model.TaskFailed, nil, e.Failure
	}
	return ev
}

func (s *State) removeTask(inst *instance, id int32) {
	t := inst.tasks.remove(id)
	inst.size -= taskSize(t)
	if t.stored {
		inst.stored.dead(subTask, uint64(uint32(id)))
	}
	s.recall(inst, t)
}

// cancelTask notes that nobody awaits a task's result: it is not begun any more,
// not even after a restart. Its row stays until its owner ends or its result
// comes all the same.
func (s *State) cancelTask(inst *instance, t *task) {
	t.dropped, t.dirty = true, true
	s.stop(inst, t)
}

// stop asks for a task's hand-out to be stopped.
func (s *State) stop(inst *instance, t *task) {
	if t.hand == handOut {
		mark.Hit(mark.TaskStopped)
		s.fx.Cancelled = append(s.fx.Cancelled, s.token(inst, t))
	}
	s.recall(inst, t)
}

// activityItem builds the item to hand out.
func (s *State) activityItem(inst *instance, t *task) *engine.ActivityItem {
	ev, x := t.event, t.event.Extra()
	return &engine.ActivityItem{
		Token: s.token(inst, t), Instance: inst.id, Execution: inst.execution, Task: ev.ID,
		Name: ev.Name, Version: ev.Version, Input: ev.Payload, Tags: x.Tags, Trace: x.Trace,
		Call: x.Call, Attempt: max(x.Attempt, 1), Timeout: time.Duration(x.Timeout),
	}
}
