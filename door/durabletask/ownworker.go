package durabletask

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// Workers of this project are sent what the protocol has no words for: see package
// extra.

// readExtra reads what a worker says beyond the protocol.
func (w *session) readExtra(q *wire.GetWorkItemsRequest) {
	x := &extra.Worker{}
	if w.extras = extra.Get(q, x) && x.GetRevision() > 0; w.extras {
		w.limits.Live = max(int(x.GetLive()), 0)
		if s := x.GetStream(); len(s) <= maxStream {
			w.stream = s
		}
		if x.GetTraces() {
			w.tracer = nil
		}
	}
}

// next sends what is next in the queue: an item, or that one is cancelled.
func (w *session) next(ctx context.Context, item any) error {
	if h, ok := item.(*held); ok {
		return w.sendOne(cancelled(h))
	}
	return w.give(ctx, item)
}

func nameOf(n engine.Name) *extra.Name {
	if n == (engine.Name{}) {
		return nil
	}
	return &extra.Name{Epoch: n.Epoch, Number: n.Number}
}

// extraOfStep is what a worker of this project is told of a step beyond the
// protocol; nil for others.
func (w *session) extraOfStep(i *engine.OrchestrationItem) *extra.Item {
	if !w.extras {
		return nil
	}
	return &extra.Item{
		Name: nameOf(i.Token.Name), Last: nameOf(i.Last), Past: i.PastEvents, More: i.More, Orchestration: i.Name, Version: i.Version,
	}
}

// extraOfActivity is the same of an activity.
func (w *session) extraOfActivity(i *engine.ActivityItem) *extra.Item {
	if !w.extras {
		return nil
	}
	return &extra.Item{Name: nameOf(i.Token.Name), Call: i.Call, Attempt: i.Attempt, Timeout: int64(i.Timeout)}
}

// batch says a batch of operations.
func (w *session) batch(i *engine.EntityItem) *wire.EntityRequest {
	q := translate.EntityRequest(i)
	if !w.extras {
		return q
	}
	extra.Put(q, &extra.Item{Name: nameOf(i.Token.Name), Last: nameOf(i.Last), Now: int64(i.Now), LockedBy: i.LockedBy})
	for n, op := range q.OperationRequests {
		translate.AddExtra(op, &i.Operations[n])
	}
	return q
}

// tellCancelled tells the worker that nobody wants the result of an item.
func (w *session) tellCancelled(h *held) {
	if !w.extras {
		return
	}
	w.mu.Lock()
	w.queue = append(w.queue, h)
	w.mu.Unlock()
	w.wake()
}

// cancelled is a sign of life that says what nobody wants any more.
func cancelled(h *held) *wire.WorkItem {
	m := &wire.WorkItem{Request: &wire.WorkItem_HealthPing{HealthPing: &wire.HealthPing{}}, CompletionToken: h.text}
	extra.Put(m, &extra.Cancelled{})
	return m
}

// readStep reads what an answer says of a step beyond its actions.
func readStep(r *engine.OrchestrationResult, q *wire.OrchestratorResponse) {
	x := &extra.Step{}
	if len(q.ProtoReflect().GetUnknown()) == 0 || !extra.Get(q, x) {
		return
	}
	r.More, r.Awaits, r.CancelTimers, r.CancelTasks = x.GetMore(), x.GetAwaits(), x.GetCancelTimers(), x.GetCancelTasks()
	if x.GetKeepStatus() {
		r.SetStatus, r.CustomStatus = false, nil
	}
}

// maxStream bounds what a worker can call its streams, in bytes. One with a longer name
// cannot leave.
const maxStream = 64

// leaving is the stream whose worker takes no more work; empty if that is not what a
// request says.
func leaving(q *wire.AbandonActivityTaskRequest) string {
	x := &extra.Leave{}
	if q.GetCompletionToken() != "" || len(q.ProtoReflect().GetUnknown()) == 0 || !extra.Get(q, x) {
		return ""
	}
	return x.GetStream()
}

// takesNoMore has others given the work that a worker would be given. What it has it
// may complete as ever.
func (s *Service) takesNoMore(ctx context.Context, stream string) error {
	hub, err := s.hub(ctx)
	if err != nil {
		return err
	}
	sessions := s.desk(hub).called(stream)
	if len(sessions) == 0 {
		return errStale
	}
	for _, w := range sessions {
		w.leave()
	}
	return nil
}

// leave has nothing more offered to the worker, and gives back what has not been sent.
func (w *session) leave() {
	w.mu.Lock()
	conn := w.connected
	w.mu.Unlock()
	if conn == nil {
		return // it has no work yet, nor a stream: it says so again
	}
	if l, ok := conn.(engine.Leaver); ok {
		l.Leave()
		w.leaves.Store(true)
	}
	w.beginDrain()
}

// maxAbandon is the longest that a worker can put an item off.
const maxAbandon = time.Hour

// delayOf is after how long an item is offered again that was given back.
func delayOf(q proto.Message) time.Duration {
	x := &extra.Abandon{}
	if len(q.ProtoReflect().GetUnknown()) == 0 || !extra.Get(q, x) {
		return abandonDelay
	}
	return min(max(time.Duration(x.GetAfter()), 0), maxAbandon)
}
