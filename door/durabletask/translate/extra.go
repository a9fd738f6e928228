package translate

import (
	"google.golang.org/protobuf/proto"

	ours "github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// AddExtra adds to a message what the protocol has no words for of an event that
// it says.
func AddExtra(m proto.Message, e *model.Event) {
	if x := extraOf(e); x != nil {
		ours.Put(m, x)
	}
}

// extraOf is what the protocol has no words for; nil if it has for all of it.
func extraOf(e *model.Event) *ours.Event {
	x := e.Extra()
	switch e.Kind {
	case model.MarkerRecorded:
		return &ours.Event{Marker: e.Name}
	case model.TimerCreated:
		if e.Name == "" && x.Timeout == 0 {
			return nil
		}
		return &ours.Event{Name: e.Name, Call: x.Call, Attempt: x.Attempt, Timeout: x.Timeout}
	case model.TaskScheduled:
		if x.Call == 0 && x.Attempt == 0 && x.Timeout == 0 && !x.AfterCommit {
			return nil
		}
		return &ours.Event{Call: x.Call, Attempt: x.Attempt, Timeout: x.Timeout, AfterCommit: x.AfterCommit}
	case model.ChildCreated:
		if e.FireAt == 0 {
			return nil
		}
		return &ours.Event{FireAt: int64(e.FireAt)}
	case model.EntityLockGranted:
		return &ours.Event{LockSet: x.LockSet}
	case model.EntitySignaled, model.EntityCalled, model.EntityLockRequested, model.EntityUnlockSent:
		if x.Parent == nil && x.Trace == nil {
			return nil
		}
		return &ours.Event{Sender: sender(x.Parent), Trace: carried(x.Trace)}
	case model.ExecutionCompleted:
		if len(x.Tags) == 0 {
			return nil
		}
		return &ours.Event{Tags: tags(x.Tags)}
	}
	return nil
}

func carried(t *model.Trace) *ours.Trace {
	if t == nil {
		return nil
	}
	return &ours.Trace{Parent: t.Parent, State: t.State, SpanId: t.SpanID}
}

func sender(p *model.Parent) *ours.Sender {
	if p == nil {
		return nil
	}
	return &ours.Sender{Instance: p.Instance, Execution: p.Execution[:], Name: p.Name, Version: p.Version, Id: p.ID}
}

// readExtra is the inverse of AddExtra: it adds to an event that was read from a
// message what else the message says of it.
func readExtra(e *model.Event, m proto.Message) {
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		readPresent(e, m)
	}
}

func readPresent(e *model.Event, m proto.Message) {
	var w ours.Event
	if !ours.Get(m, &w) {
		return
	}
	x := *e.Extra()
	if w.GetMarker() != "" {
		e.Kind, e.Name, e.Payload = model.MarkerRecorded, w.GetMarker(), nil
	}
	switch e.Kind {
	case model.TimerCreated:
		e.Name, x.Call, x.Attempt, x.Timeout = w.GetName(), w.GetCall(), w.GetAttempt(), w.GetTimeout()
	case model.TaskScheduled:
		x.Call, x.Attempt, x.Timeout, x.AfterCommit = w.GetCall(), w.GetAttempt(), w.GetTimeout(), w.GetAfterCommit()
	case model.ChildCreated:
		e.FireAt = model.Time(w.GetFireAt())
	case model.EntityLockGranted:
		x.LockSet = w.GetLockSet()
	case model.EntitySignaled, model.EntityCalled, model.EntityLockRequested, model.EntityUnlockSent:
		readSender(&x, &w)
	case model.ExecutionCompleted:
		if len(w.GetTags()) > 0 {
			x.Tags = w.GetTags()
		}
	}
	e.Ext = extra2(x)
}

func readSender(x *model.Ext, w *ours.Event) {
	if s := w.GetSender(); s != nil {
		x.Parent = &model.Parent{Instance: s.GetInstance(), Name: s.GetName(), Version: s.GetVersion(), ID: s.GetId()}
		copy(x.Parent.Execution[:], s.GetExecution())
	}
	if t := w.GetTrace(); t != nil {
		x.Trace = &model.Trace{Parent: t.GetParent(), State: t.GetState(), SpanID: t.GetSpanId()}
	}
}

// extra2 is extra with the fields that only extras have.
func extra2(x model.Ext) *model.Ext {
	if x.Call != 0 || x.Attempt != 0 || x.Timeout != 0 || x.AfterCommit {
		return &x
	}
	return extra(x)
}

// addTags adds the tags of an orchestration that an entity starts.
func addTags(a *wire.OperationAction, t map[string]string) {
	if len(t) > 0 {
		ours.Put(a, &ours.Event{Tags: tags(t)})
	}
}

// addSent adds an external event that an entity sends.
func addSent(a *wire.OperationAction, e *model.Event) {
	ours.Put(a, &ours.Event{Sent: &ours.Sent{Instance: e.Instance, Name: e.Name, Payload: e.Payload, Absent: e.Payload == nil}})
}

// readOperationExtra reads what the protocol has no words for of what an entity
// asks for. It reports whether that is an event of its own.
func readOperationExtra(e *model.Event, a *wire.OperationAction) bool {
	if len(a.ProtoReflect().GetUnknown()) == 0 {
		return false
	}
	w := &ours.Event{}
	if !ours.Get(a, w) {
		return false
	}
	if s := w.GetSent(); s != nil {
		e.Kind, e.Instance, e.Name = model.EventSent, s.GetInstance(), s.GetName()
		if !s.GetAbsent() {
			e.Payload = append([]byte{}, s.GetPayload()...)
		}
		return true
	}
	if len(w.GetTags()) > 0 {
		x := *e.Extra()
		x.Tags = w.GetTags()
		e.Ext = &x
	}
	return false
}

// SayWhole is Say for who reads extras: it leaves nothing out.
func (h *History) SayWhole(list []model.Event) []*wire.HistoryEvent {
	out := make([]*wire.HistoryEvent, len(list))
	for i := range list {
		e := &list[i]
		if h.LastID = max(h.LastID, e.ID); isSpan(e) {
			h.Span = sayContext(e)
		}
		out[i] = h.sayParent(Event(e))
		AddExtra(out[i], e)
	}
	return out
}
