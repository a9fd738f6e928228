package partition

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// push puts an event into an orchestration's inbox.
func (s *State) push(inst *instance, from string, ev model.Event) {
	s.enqueueEntry(inst, entry{seq: inst.nextSeq, from: from, event: ev})
	inst.nextSeq++
}

// enqueueEntry appends an entry to the inbox and stamps its time of arrival.
func (s *State) enqueueEntry(inst *instance, e entry) {
	s.touch(inst)
	e.event.ID, e.event.Time = model.NoID, s.advance(inst)
	s.addEntry(inst, e)
	inst.size += eventSize(&e.event)
	s.wake(inst)
}

// addEntry appends to the inbox. One that grows takes the room that another has
// given back, if there is one: busy instances are few.
func (s *State) addEntry(inst *instance, e entry) {
	if n := len(inst.inbox); n == cap(inst.inbox) && n >= growingInbox && cap(s.spareInbox) > n {
		old := inst.inbox
		inst.inbox = append(s.spareInbox, old...)
		clear(old)
		s.spareInbox = nil
	}
	inst.inbox = append(inst.inbox, e)
}

// consume removes the first n entries of the inbox.
func (s *State) consume(inst *instance, n int) {
	for i := range inst.inbox[:n] {
		e := &inst.inbox[i]
		if e.stored {
			inst.stored.dead(subInbox, e.seq)
		}
		inst.size -= eventSize(&e.event)
		*e = entry{}
	}
	switch rest := len(inst.inbox) - n; {
	case rest > n: // too many to move each time
		inst.inbox = inst.inbox[n:]
	case rest > 0:
		copy(inst.inbox, inst.inbox[n:])
		clear(inst.inbox[max(rest, n):])
		inst.inbox = inst.inbox[:rest]
	case cap(inst.inbox) <= spareEntries:
		inst.inbox = inst.inbox[:0]
	default:
		if cap(inst.inbox) <= maxSpareInbox {
			s.spareInbox = inst.inbox[:0]
		}
		inst.inbox = nil
	}
}

// spareEntries is for how many messages an instance keeps room that it does not
// use. Nobody counts that memory: with many instances, each of which was busy
// once, it would be most of what there is.
const spareEntries = 64

// A partition keeps one array of up to maxSpareInbox entries for the next inbox that
// comes to have more than growingInbox of them.
const (
	growingInbox  = 8
	maxSpareInbox = 2048
)

// shrink gives up the room that an instance does not use any more.
func (inst *instance) shrink() {
	if n := len(inst.inbox); n == 0 {
		inst.inbox = nil
	} else if cap(inst.inbox) > spareEntries && cap(inst.inbox) > 2*n {
		inst.inbox = slices.Clip(slices.Clone(inst.inbox))
	}
	if inst.tasks.live == 0 {
		inst.tasks.reset()
	}
	if inst.timers.live == 0 {
		inst.timers.reset()
	}
}

// dropInbox empties the inbox; the slice stays with those who still read it.
func (s *State) dropInbox(inst *instance) {
	for i := range inst.inbox {
		if inst.inbox[i].stored {
			inst.stored.dead(subInbox, inst.inbox[i].seq)
		}
		inst.size -= eventSize(&inst.inbox[i].event)
	}
	inst.inbox = nil
}

// wake notes that the instance may have something to run.
func (s *State) wake(inst *instance) {
	if !inst.queued && s.live {
		inst.queued = true
		s.resize(inst)
		switch {
		case inst.isEntity():
			s.batches = append(s.batches, inst)
		case inst.steps == 0:
			s.fresh = append(s.fresh, inst)
		default:
			s.ready = append(s.ready, inst)
		}
	}
}

// runnable is how many inbox entries the next step may consume; ok is false if
// there is no step to make.
func (s *State) runnable(inst *instance) (n int, ok bool) {
	if inst.gone || inst.ended() || inst.quarantine != nil || inst.handout != (engine.Name{}) {
		return 0, false
	}
	if inst.isEntity() {
		n = s.operations(inst)
		return n, n > 0
	}
	if inst.events == 0 && (len(inst.inbox) == 0 || inst.inbox[0].event.Kind != model.ExecutionStarted) {
		return 0, false // scheduled for later
	}
	n = len(inst.inbox)
	suspended := inst.suspended && !planted.SuspendLeaks
	if suspended {
		for n > 0 && inst.inbox[n-1].event.Kind != model.ExecutionSuspended {
			mark.Hit(mark.HeldBySuspension)
			n--
		}
	}
	n = fitting(inst.inbox[:min(n, s.cfg.MaxBatch)])
	return n, n > 0 || inst.more && !suspended
}

// maxBatchBytes bounds the messages that a step is told at once, beyond the first:
// remote workers take no more at a time than a few MiB.
const maxBatchBytes = 1 << 20

// fitting is how many of the entries, from the first one on, go into one step.
func fitting(inbox []entry) int {
	if len(inbox) < 2 {
		return len(inbox)
	}
	size := 0
	for i := range inbox {
		if size += EventBytes(&inbox[i].event); size > maxBatchBytes && i > 0 {
			return i
		}
	}
	return len(inbox)
}

// stepDone applies the result of an orchestration's step.
func (s *State) stepDone(e *StepDone) {
	s.culprit = Key{Ord: e.Ord}
	inst, r := s.find(s.culprit), e.Result
	s.touch(inst)
	inst.updated = max(inst.updated, r.Now)
	s.recordStep(inst, r.Now, e.Consumed)
	now := s.advance(inst)
	inst.last = inst.handout
	s.takeBack(inst)
	inst.steps++
	inst.more, inst.awaits = r.More, r.Awaits
	if r.SetStatus {
		inst.custom = r.CustomStatus
	}
	if inst.status == model.Pending {
		s.setStatus(inst, model.Running)
	}
	if r.Rewound != nil {
		s.applyRewound(inst, r.Rewound)
	}
	for i := range r.Events {
		ev := &r.Events[i]
		ev.Time = now
		s.outgoing(inst, ev)
	}
	for _, id := range r.CancelTimers { // after the events: it may be one that they ask for
		inst.removeTimer(id)
	}
	for i := range r.Terminate { // after the events: it may concern a child that they start
		t := &r.Terminate[i]
		s.send(model.Message{To: t.Instance, Event: model.Event{
			Kind: model.ExecutionTerminated, ID: model.NoID, Payload: t.Output, Ext: &model.Ext{Recurse: t.Recursive},
		}})
	}
	for _, id := range r.CancelTasks {
		if t := inst.tasks.get(id); t != nil {
			mark.Hit(mark.TaskCancelled)
			s.cancelTask(inst, t)
		}
	}
	s.wake(inst)
}

// recordStep records the beginning of a step and the messages that it consumed,
// all at the time that the step saw as now, so that time never goes back in a
// history and live and replayed events are the same.
func (s *State) recordStep(inst *instance, now model.Time, consumed int) {
	s.record(inst, &model.Event{Kind: model.OrchestratorStarted, ID: model.NoID, Time: now})
	for i := range inst.inbox[:consumed] {
		ev := inst.inbox[i].event
		ev.Time = now
		s.record(inst, &ev)
	}
	s.consume(inst, consumed)
}

// checkStep admits a result only from the hand-out in flight. A result that
// breaks a limit becomes the instance's failure.
func (s *State) checkStep(e *StepDone) Verdict {
	inst := s.find(Key{Ord: e.Ord})
	if inst == nil || inst.ended() || e.Handout == 0 || inst.handout.Number != e.Handout && !planted.IgnoreEpochOnReceive {
		mark.Hit(mark.StepStale)
		return Drop
	}
	e.Consumed, e.Result.Now = inst.handed, inst.handedAt
	if f := checkResult(e.Result, inst.tags); f != nil {
		e.Result = failedResult(e.Result, f)
	}
	for i := range e.Result.Events {
		e.Result.Events[i].Time = e.Result.Now // costs no bytes in the record
	}
	storableTimers(e.Result.Events)
	storableTimers(e.Result.Rewound)
	return Admit
}

// storableTimers has timers for a time before 1970, which are due at once in any case,
// fire at the first time there is: the key of a negative one sorts behind all others,
// where nobody looks for what is due. Zero means that there is no time.
func storableTimers(events []model.Event) {
	for i := range events {
		if ev := &events[i]; ev.Kind == model.TimerCreated && ev.FireAt < 0 {
			ev.FireAt = 1
		}
	}
}

// failedResult replaces a result that cannot be recorded.
func failedResult(r *engine.OrchestrationResult, f *model.Failure) *engine.OrchestrationResult {
	id := model.NoID
	if n := len(r.Events); n > 0 {
		id = r.Events[n-1].ID
	}
	return &engine.OrchestrationResult{Token: r.Token, Now: r.Now, Events: []model.Event{{
		Kind: model.ExecutionCompleted, ID: id, Failure: f, Ext: &model.Ext{Status: model.Failed},
	}}}
}
