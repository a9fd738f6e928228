package partition

import (
	"cmp"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Check decides, without changing anything durable, whether an event is to be
// logged. Its keys are loaded. For Refuse it fills the answer. It completes the
// volatile fields of results and cuts off what does not apply any more.
func (s *State) Check(ev Event, now model.Time, ans *Answer) Verdict {
	s.now = now
	switch e := ev.(type) {
	case *Start:
		return s.checkStart(e, ans)
	case *Command:
		return s.checkCommand(e, ans)
	case *StepDone:
		return s.checkStep(e)
	case *EntityDone:
		return s.checkEntity(e)
	case *TaskDone:
		return s.checkTask(e)
	case *Received:
		return s.checkReceived(e)
	case *Acked:
		return s.checkAcked(e)
	case *TimersFired:
		return s.checkTimers(e, now)
	case *Purged:
		return s.checkPurged(e, ans)
	case *Cleaned:
		return s.checkCleaned(e, ans)
	}
	return Admit
}

// checkStart refuses what is taken. A repetition is answered as the original.
func (s *State) checkStart(e *Start, ans *Answer) Verdict {
	ans.Caller = e.Caller
	if model.IsEntity(e.Request.Instance) {
		ans.Err = engine.ErrInvalid
		return Refuse
	}
	ans.Started = engine.Started{Instance: e.Request.Instance, Execution: startExecution(e)}
	inst := s.find(Key{ID: e.Request.Instance})
	if inst != nil && e.Client.Seq != 0 && inst.request == (request{e.Client.Session, e.Client.Seq}) && !planted.StartAppliedTwice {
		mark.Hit(mark.StartRepeated)
		return Refuse // this very request made it, however long ago
	}
	if v := s.checkClient(&e.Client, opStart, e.Request.Instance, e.Retry, ans); v != Admit {
		return v
	}
	if inst == nil {
		return Admit
	}
	r := &e.Request
	if r.Replaceable != nil {
		if !slices.Contains(r.Replaceable, inst.status) {
			ans.Err = engine.ErrExists
			return Refuse
		}
		return Admit
	}
	switch {
	case r.IfExists == engine.ReplaceAny:
		return Admit
	case r.IfExists == engine.AttachIfExists && !inst.ended():
		mark.Hit(mark.StartAttached)
		ans.Started = engine.Started{Instance: inst.id, Execution: inst.execution, Attached: true}
		return Refuse
	case (r.IfExists == engine.FailIfExists || !inst.ended()) && !planted.ExistsIgnored:
		mark.Hit(mark.StartRefused)
		ans.Err = engine.ErrExists
		return Refuse
	}
	return Admit
}

func startExecution(e *Start) model.ExecutionID {
	return model.RequestExecution(e.Client.Session, e.Client.Seq, e.Request.Instance)
}

// startForClient creates an instance, in place of another if there is one.
func (s *State) startForClient(e *Start) {
	r := &e.Request
	s.culprit = Key{ID: r.Instance}
	if inst := s.find(s.culprit); inst != nil {
		if !inst.ended() {
			mark.Hit(mark.StartTerminates)
			s.terminate(inst, nil, false)
		}
		mark.Hit(mark.StartReplaces)
		s.replace(inst)
	}
	execution := startExecution(e)
	s.resolve(&e.Client, opStart, r.Instance, execution)
	s.create(r.Instance, model.Event{
		Name: r.Name, Version: r.Version, Payload: r.Input, FireAt: r.At,
		Ext: &model.Ext{Execution: execution, Tags: r.Tags, Trace: r.Trace},
	}, request{e.Client.Session, e.Client.Seq})
	s.fx.Answers = append(s.fx.Answers, Answer{
		Caller:  e.Caller,
		Started: engine.Started{Instance: r.Instance, Execution: execution},
	})
}

// checkCommand refuses what cannot be done to the instance as it is.
func (s *State) checkCommand(e *Command, ans *Answer) Verdict {
	ans.Caller = e.Caller
	if v := s.checkClient(&e.Client, e.Op, e.Instance, e.Retry, ans); v != Admit {
		if e.Op == OpPurge && ans.Err == nil {
			ans.Deleted = 1
		}
		return v
	}
	inst := s.find(Key{ID: e.Instance})
	switch {
	case e.Op == OpSignal:
		return refuseUnless(model.IsEntity(e.Instance), ans, engine.ErrInvalid)
	case inst == nil:
		ans.Err = engine.ErrNotFound
		return Refuse
	case e.Op == OpPurge:
		return refuseUnless(inst.ended() || inst.isEntity() && inst.idle() || inst.quarantine != nil, ans, nil)
	case inst.isEntity() && e.Op != OpRewind:
		ans.Err = engine.ErrInvalid
		return Refuse
	}
	switch e.Op {
	case OpRaise, OpTerminate:
		return refuseUnless(!inst.ended(), ans, nil)
	case OpSuspend, OpResume:
		if inst.ended() {
			ans.Err = engine.ErrEnded
			return Refuse
		}
		return refuseUnless(inst.suspended != (e.Op == OpSuspend), ans, nil)
	case OpRewind:
		return refuseUnless(inst.status == model.Failed || inst.holds || inst.quarantine != nil && !inst.ended(), ans, engine.ErrNotFailed)
	}
	ans.Err = engine.ErrInvalid
	return Refuse
}

func refuseUnless(ok bool, ans *Answer, err error) Verdict {
	if ok {
		return Admit
	}
	ans.Err = err
	return Refuse
}

// command does what a client asks of an instance.
func (s *State) command(e *Command) {
	s.resolve(&e.Client, e.Op, e.Instance, model.ExecutionID{})
	s.culprit = Key{ID: e.Instance}
	inst := s.find(s.culprit)
	ans := Answer{Caller: e.Caller}
	switch e.Op {
	case OpRaise:
		s.tell(inst, model.Event{Kind: model.EventRaised, Name: e.Name, Payload: e.Payload})
	case OpSignal:
		s.deliverToEntity(inst, &model.Message{To: e.Instance, Event: model.Event{
			Kind: model.EntitySignaled, ID: model.NoID, Instance: e.Instance, Name: e.Name, Payload: e.Payload, FireAt: e.At,
			Ext: traceExt(e.Trace),
		}})
	case OpSuspend:
		s.suspend(inst, e.Payload)
	case OpResume:
		s.resume(inst, e.Payload)
	case OpTerminate:
		s.terminate(inst, e.Payload, e.Recursive)
	case OpRewind:
		if !inst.ended() || inst.holds {
			s.release(inst)
			break
		}
		s.rewind(inst, model.Event{Kind: model.ExecutionRewound, Payload: e.Payload})
	case OpPurge:
		if !planted.PurgeUndone {
			s.purge(inst, e.Recursive)
		}
		ans.Deleted = 1
	}
	s.fx.Answers = append(s.fx.Answers, ans)
}

func traceExt(t *model.Trace) *model.Ext {
	if t == nil {
		return nil
	}
	return &model.Ext{Trace: t}
}

// suspend changes the status at once and holds back the messages that come
// after; a step in flight is still accepted.
func (s *State) suspend(inst *instance, reason []byte) {
	mark.Hit(mark.Suspended)
	s.tell(inst, model.Event{Kind: model.ExecutionSuspended, Payload: reason})
	inst.suspended = true
	s.setStatus(inst, model.Suspended)
}

func (s *State) resume(inst *instance, reason []byte) {
	mark.Hit(mark.Resumed)
	s.tell(inst, model.Event{Kind: model.ExecutionResumed, Payload: reason})
	inst.suspended = false
	if inst.steps == 0 {
		mark.Hit(mark.ResumedBeforeItBegan)
		s.setStatus(inst, model.Pending)
		return
	}
	s.setStatus(inst, model.Running)
}

// purge forgets an instance, and if recursive asks its children to be forgotten
// if they have ended. One that is set aside may have to be ended first.
func (s *State) purge(inst *instance, recursive bool) {
	switch {
	case inst.isEntity():
		s.turnAway(inst)
	case !inst.ended():
		s.terminate(inst, nil, recursive)
	}
	if recursive && !planted.ChildrenKept {
		inst.children.all(func(id int32, c *child) bool {
			mark.Hit(mark.PurgeSpreads)
			s.send(model.Message{To: c.instance, From: inst.id, Event: model.Event{
				Kind: model.GenericEvent, ID: model.NoID, Ref: id, Name: purgeChild,
			}})
			return true
		})
	}
	s.bury(inst)
	s.fx.Changes = append(s.fx.Changes, Change{Instance: inst.id, Ord: inst.ord, Status: inst.status, Gone: true})
}

// purgeChild names the internal message that spreads a recursive purge.
const purgeChild = "netherite.purge"

// checkPurged keeps the instances that have still ended.
func (s *State) checkPurged(e *Purged, ans *Answer) Verdict {
	ans.Caller = e.Caller
	slices.Sort(e.Ords)
	e.Ords = slices.DeleteFunc(slices.Compact(e.Ords), func(ord uint64) bool {
		inst := s.find(Key{Ord: ord})
		return inst == nil || !inst.ended()
	})
	return refuseUnless(len(e.Ords) > 0, ans, nil)
}

// purged forgets ended instances.
func (s *State) purged(e *Purged) {
	mark.Hit(mark.PurgedByQuery)
	for _, ord := range e.Ords {
		if planted.QueryPurgeUndone {
			break
		}
		s.culprit = Key{Ord: ord}
		s.purge(s.find(s.culprit), false)
	}
	s.fx.Answers = append(s.fx.Answers, Answer{Caller: e.Caller, Deleted: len(e.Ords)})
}

// checkCleaned keeps the entities that still need to be tidied.
func (s *State) checkCleaned(e *Cleaned, ans *Answer) Verdict {
	ans.Caller = e.Caller
	slices.Sort(e.Empty)
	e.Empty = slices.DeleteFunc(slices.Compact(e.Empty), func(ord uint64) bool {
		inst := s.find(Key{Ord: ord})
		return inst == nil || !inst.isEntity() || !inst.idle()
	})
	slices.SortFunc(e.Orphans, func(a, b Orphan) int { return cmp.Compare(a.Ord, b.Ord) })
	e.Orphans = slices.DeleteFunc(slices.Compact(e.Orphans), func(o Orphan) bool {
		inst := s.find(Key{Ord: o.Ord})
		return inst == nil || !inst.isEntity() || inst.entity.section != o.Section
	})
	return refuseUnless(len(e.Empty)+len(e.Orphans) > 0, ans, nil)
}

// cleaned removes empty entities and releases orphaned locks.
func (s *State) cleaned(e *Cleaned) {
	for _, ord := range e.Empty {
		s.culprit = Key{Ord: ord}
		s.bury(s.find(s.culprit))
	}
	for _, o := range e.Orphans {
		s.culprit = Key{Ord: o.Ord}
		inst := s.find(s.culprit)
		s.touch(inst)
		s.takeBack(inst) // what comes first in its inbox may change
		s.giveUpLock(inst, o.Section)
		s.settle(inst)
	}
	s.fx.Answers = append(s.fx.Answers, Answer{
		Caller: e.Caller, Cleaned: engine.Cleaned{Removed: len(e.Empty), Released: len(e.Orphans)},
	})
}
