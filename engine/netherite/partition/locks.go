package partition

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// A critical section locks its entities one after the other in ascending order
// of their IDs, so that no cycle of waiting can arise: the request travels from
// entity to entity, and the last one tells the orchestration. Whatever way an
// orchestration ends, the engine releases what it holds; a grant that finds
// nobody any more is answered with a release, so that no lock is ever orphaned.

// section is a critical section that an orchestration asked for or holds.
type section struct {
	id      string   // the orchestration's name for it
	key     string   // the engine's: no two requests of an instance share one
	lockSet []string // not yet released
	granted bool
}

// requestLock begins to acquire a critical section.
func (s *State) requestLock(inst *instance, ev *model.Event) {
	set := slices.Clone(ev.Extra().LockSet)
	slices.Sort(set)
	set = slices.Compact(set)
	if len(set) == 0 {
		s.push(inst, "", model.Event{Kind: model.EntityLockGranted, RequestID: ev.RequestID})
		return
	}
	// A request may be repeated under its name, after a rewind: then answers to the
	// first one, still under way, must not be taken for those to the second.
	key := ev.RequestID + "#" + strconv.FormatUint(s.ordinal(), 10)
	inst.sections = append(inst.sections, section{id: ev.RequestID, key: key, lockSet: set})
	s.send(model.Message{To: set[0], From: inst.id, Event: model.Event{
		Kind: model.EntityLockRequested, ID: model.NoID, RequestID: key,
		Ext: &model.Ext{LockSet: set, Parent: parentOf(inst, ev.ID)},
	}})
}

// releaseLock releases one entity of a critical section. One that has not been
// granted yet is given up as a whole: its request is under way somewhere and may
// come after the release, but then its grant finds no section.
func (s *State) releaseLock(inst *instance, ev *model.Event) {
	i := slices.IndexFunc(inst.sections, func(sec section) bool { return sec.id == ev.RequestID })
	if i < 0 {
		return // released before
	}
	sec := &inst.sections[i]
	if !sec.granted {
		s.unlockAll(inst.id, sec.key, sec.lockSet)
		inst.sections = slices.Delete(inst.sections, i, i+1)
		return
	}
	s.unlock(inst.id, sec.key, ev.Instance)
	sec.lockSet = slices.DeleteFunc(slices.Clone(sec.lockSet), func(e string) bool { return e == ev.Instance })
	if len(sec.lockSet) == 0 {
		inst.sections = slices.Delete(inst.sections, i, i+1)
	}
}

// unlock tells one entity that the holder gives up a critical section.
func (s *State) unlock(holder, key, entity string) {
	s.send(model.Message{To: entity, From: holder, Event: model.Event{
		Kind: model.EntityUnlockSent, ID: model.NoID, RequestID: key, Instance: entity,
	}})
}

// unlockAll releases a whole critical section.
func (s *State) unlockAll(holder, key string, lockSet []string) {
	if planted.MapOrderLeak {
		set := map[string]bool{}
		for _, e := range lockSet {
			set[e] = true
		}
		for e := range set { // order-free: it is not, and that is to be found
			s.unlock(holder, key, e)
		}
		return
	}
	for _, e := range lockSet {
		s.unlock(holder, key, e)
	}
}

// settle takes and releases the lock as long as that is what the inbox begins
// with, and then lets operations run or the entity end.
func (s *State) settle(inst *instance) {
	for len(inst.inbox) > 0 && !isOperation(inst.inbox[0].event.Kind) {
		e := inst.inbox[0]
		s.consume(inst, 1)
		if e.event.Kind == model.EntityUnlockSent {
			s.giveUpLock(inst, e.event.RequestID)
			s.withdraw(inst, &e)
			continue
		}
		s.takeLock(inst, &e.event)
	}
	if inst.idle() {
		s.bury(inst)
		return
	}
	s.wake(inst)
}

// takeLock gives the lock to a critical section and passes its request on. What
// others have in the inbox behind it must wait in the backlog.
func (s *State) takeLock(inst *instance, req *model.Event) {
	ent, x := inst.entity, req.Extra()
	ent.section, ent.holder = req.RequestID, x.Parent.Instance
	if planted.StateBeforeLock {
		inst.custom = ent.state // which entities have no other use for
	}
	rest := inst.inbox
	inst.inbox = nil
	for i := range rest {
		e := rest[i]
		switch {
		case ent.held(&e):
			inst.inbox = append(inst.inbox, e)
		case e.event.Kind == model.EntityUnlockSent:
			inst.size -= eventSize(&e.event)
			if e.stored {
				inst.stored.dead(subInbox, e.seq)
			}
			s.withdraw(inst, &e)
		default:
			mark.Hit(mark.LockPushesBack)
			e.requeue(true)
			ent.backlog = append(ent.backlog, e)
		}
	}
	if next := int(x.Position) + 1; next < len(x.LockSet) {
		mark.Hit(mark.LockTravels)
		s.send(model.Message{To: x.LockSet[next], From: inst.id, Event: model.Event{
			Kind: model.EntityLockRequested, ID: model.NoID, RequestID: req.RequestID,
			Ext: &model.Ext{LockSet: x.LockSet, Position: int32(next), Parent: x.Parent},
		}})
		return
	}
	s.send(model.Message{To: x.Parent.Instance, ToExecution: x.Parent.Execution, From: inst.id, Event: model.Event{
		Kind: model.EntityLockGranted, ID: model.NoID, RequestID: req.RequestID, Ext: &model.Ext{LockSet: x.LockSet},
	}})
}

// giveUpLock releases the lock if the section holds it and lets the backlog in.
func (s *State) giveUpLock(inst *instance, key string) {
	ent := inst.entity
	if ent.free() || ent.section != key {
		return
	}
	ent.section, ent.holder = "", ""
	all := inst.inbox
	for i := range ent.backlog {
		e := ent.backlog[i]
		mark.Hit(mark.LockLetsIn)
		e.requeue(false)
		all = append(all, e)
	}
	// Back into the order of arrival, which is also that of their rows.
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	inst.inbox = all
	ent.backlog = nil
}

// requeue says that the entry moved between inbox and backlog.
func (e *entry) requeue(backlog bool) { e.backlog, e.dirty = backlog, true }

// withdraw takes a queued lock request back when its orchestration ends before
// it was its turn. No grant will follow that could be answered. So the entities
// that the request has passed are released from here: between partitions the
// release may have come to them before the request did.
func (s *State) withdraw(inst *instance, unlock *entry) {
	ent := inst.entity
	i := slices.IndexFunc(ent.backlog, func(e entry) bool {
		return e.event.Kind == model.EntityLockRequested && e.event.RequestID == unlock.event.RequestID && e.from == unlock.from
	})
	if i < 0 {
		return
	}
	e := ent.backlog[i]
	inst.size -= eventSize(&e.event)
	if e.stored {
		inst.stored.dead(subInbox, e.seq)
	}
	ent.backlog = slices.Delete(ent.backlog, i, i+1)
	x := e.event.Extra()
	s.unlockAll(unlock.from, unlock.event.RequestID, x.LockSet[:x.Position])
}
