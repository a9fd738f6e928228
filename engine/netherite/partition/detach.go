package partition

import (
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// What is read of a store shares the memory of the rows that it was read from: one
// name keeps a row with all its payloads. So what queries hand out has texts of its
// own, and payloads only if they were asked for.

// detach gives a description texts of its own.
func detach(m *model.Instance) {
	own(&m.ID, &m.Name, &m.Version)
	m.Failure = detachedFailure(m.Failure)
	if m.Tags != nil {
		tags := make(map[string]string, len(m.Tags))
		for k, v := range m.Tags { // order-free: fills a map
			tags[strings.Clone(k)] = strings.Clone(v)
		}
		m.Tags = tags
	}
	if m.Parent != nil {
		p := *m.Parent
		own(&p.Instance, &p.Name, &p.Version)
		m.Parent = &p
	}
	if m.Entity != nil { // made for this description
		own(&m.Entity.LockedBy)
		for i := range m.Entity.LockQueue {
			own(&m.Entity.LockQueue[i])
		}
	}
	if m.Waits != nil { // so was this
		detachWaits(m.Waits)
	}
}

func own(texts ...*string) {
	for _, s := range texts {
		*s = strings.Clone(*s)
	}
}

func detachedFailure(f *model.Failure) *model.Failure {
	if f == nil {
		return nil
	}
	c := *f
	own(&c.Type, &c.Message, &c.Stack)
	if c.Properties != nil {
		c.Properties = make(map[string][]byte, len(f.Properties))
		for k, v := range f.Properties { // order-free: fills a map
			c.Properties[strings.Clone(k)] = append([]byte{}, v...)
		}
	}
	c.Cause = detachedFailure(f.Cause)
	return &c
}

func detachWaits(w *model.Waits) {
	for i := range w.Tasks {
		own(&w.Tasks[i].Name, &w.Tasks[i].Version)
	}
	for i := range w.Children {
		own(&w.Children[i].Instance, &w.Children[i].Name)
	}
	for i := range w.Calls {
		own(&w.Calls[i].Entity, &w.Calls[i].Operation)
	}
	for i := range w.Locks {
		own(&w.Locks[i].Section)
		for j := range w.Locks[i].LockSet {
			own(&w.Locks[i].LockSet[j])
		}
	}
	for i := range w.Events {
		own(&w.Events[i])
	}
	for i := range w.Held {
		own(&w.Held[i].Name, &w.Held[i].From)
	}
	w.Quarantine = detachedFailure(w.Quarantine)
}

// onlyDescribed leaves of the element that was added last what a description says of
// it: an instance may have many messages and activities, with large payloads.
func (inst *instance) onlyDescribed(sub byte, id int32) {
	switch sub {
	case subHeld:
		last := &inst.held[len(inst.held)-1].entry
		*last = bare(last)
	case subInbox:
		for _, list := range [][]entry{inst.inbox, inst.backlog()} {
			if n := len(list); n > 0 { // the last of the other one is bare already
				list[n-1] = bare(&list[n-1])
			}
		}
	case subTask:
		t := inst.tasks.get(id)
		t.event = &model.Event{
			Name: strings.Clone(t.event.Name), Version: strings.Clone(t.event.Version), Ext: &model.Ext{Attempt: t.event.Extra().Attempt},
		}
	case subWake:
		t := inst.timers.get(id)
		t.msg, t.name = nil, strings.Clone(t.name)
	}
}

func (inst *instance) backlog() []entry {
	if inst.entity == nil {
		return nil
	}
	return inst.entity.backlog
}

// bare is what is described of a message: what it is, and who sent it.
func bare(e *entry) entry {
	b := entry{from: strings.Clone(e.from), event: model.Event{Kind: e.event.Kind, Name: strings.Clone(e.event.Name)}}
	if p := e.event.Extra().Parent; p != nil {
		b.event.Ext = &model.Ext{Parent: &model.Parent{Instance: strings.Clone(p.Instance)}}
	}
	return b
}

// unshare gives a description its own copies of what an instance shares with it: who
// asked may change them, while the partition goes on.
func unshare(m *model.Instance) {
	m.Tags = maps.Clone(m.Tags)
	m.Failure = detachedFailure(m.Failure)
	if m.Parent != nil {
		p := *m.Parent
		m.Parent = &p
	}
	if m.Waits != nil {
		m.Waits.Quarantine = detachedFailure(m.Waits.Quarantine)
	}
}

// Copy is a description that shares only payloads with m, for one of several who are
// told the same.
func Copy(m *model.Instance) *model.Instance {
	if m == nil {
		return nil
	}
	c := *m
	if m.Entity != nil {
		e := *m.Entity
		e.LockQueue = slices.Clone(e.LockQueue)
		c.Entity = &e
	}
	if m.Waits != nil {
		c.Waits = copyWaits(m.Waits)
	}
	unshare(&c)
	return &c
}

func copyWaits(from *model.Waits) *model.Waits {
	w := *from
	w.Tasks, w.Timers, w.Children = slices.Clone(w.Tasks), slices.Clone(w.Timers), slices.Clone(w.Children)
	w.Calls, w.Events, w.Held = slices.Clone(w.Calls), slices.Clone(w.Events), slices.Clone(w.Held)
	w.Locks = slices.Clone(w.Locks)
	for i := range w.Locks {
		w.Locks[i].LockSet = slices.Clone(w.Locks[i].LockSet)
	}
	return &w
}
