package translate

import (
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/model"
)

// History says the history of one execution to its worker or to a client, piece by
// piece: how an event is said may depend on those before it.
type History struct {
	Instance  string
	Execution model.ExecutionID
	// ToWorker says that it is for a worker: rewinds that the server has made are left
	// out, which the worker may not understand.
	ToWorker bool

	// Span is what the worker said last about its span; nil if it did not.
	Span *wire.OrchestrationTraceContext
	// LastID is the greatest ID of an action so far; model.NoID if there is none.
	LastID int32

	classic map[string]struct{} // requests that were made in the classic way
}

// NewHistory begins to say the history of an execution.
func NewHistory(instance string, execution model.ExecutionID) *History {
	return &History{Instance: instance, Execution: execution, LastID: model.NoID}
}

// Say says the next events.
func (h *History) Say(list []model.Event) []*wire.HistoryEvent {
	out := make([]*wire.HistoryEvent, 0, len(list))
	for i := range list {
		e := &list[i]
		h.LastID = max(h.LastID, e.ID)
		switch {
		case h.ToWorker && rewind.ByServer(e):
		case isSpan(e):
			h.Span = sayContext(e)
		case isClassic(e):
			if h.classic == nil {
				h.classic = map[string]struct{}{}
			}
			h.classic[e.RequestID] = struct{}{}
			out = append(out, h.sayClassic(e))
		case h.answersClassic(e):
			out = append(out, sayClassicAnswer(e))
		default:
			out = append(out, h.sayParent(Event(e)))
		}
	}
	return out
}

func (h *History) answersClassic(e *model.Event) bool {
	switch e.Kind {
	case model.EntityResponded, model.EntityOperationFailed, model.EntityLockGranted:
		_, ok := h.classic[e.RequestID]
		return ok
	}
	return false
}

// sayParent adds to a message to an entity whose it is, which SDKs want to see in
// the sender's own history too.
func (h *History) sayParent(w *wire.HistoryEvent) *wire.HistoryEvent {
	switch t := w.EventType.(type) {
	case *wire.HistoryEvent_EntityOperationCalled:
		t.EntityOperationCalled.ParentInstanceId = optional(h.Instance)
		if !h.Execution.IsZero() {
			t.EntityOperationCalled.ParentExecutionId = wrapperspb.String(h.Execution.String())
		}
	case *wire.HistoryEvent_EntityLockRequested:
		t.EntityLockRequested.ParentInstanceId = optional(h.Instance)
	case *wire.HistoryEvent_EntityUnlockSent:
		t.EntityUnlockSent.ParentInstanceId = optional(h.Instance)
	}
	return w
}

// spanName is the name of the note in a history that keeps what a worker said
// about its span. No worker sees it, and no code can make one without an ID.
const spanName = "netherite.orchestration-span"

func isSpan(e *model.Event) bool {
	return e.Kind == model.MarkerRecorded && e.ID == model.NoID && e.Name == spanName
}

// Span makes the note that keeps what a worker said about its span.
func Span(c *wire.OrchestrationTraceContext) model.Event {
	return model.Event{
		Kind: model.MarkerRecorded, ID: model.NoID, Name: spanName, FireAt: Time(c.GetSpanStartTime()),
		Ext: extra(model.Ext{Trace: &model.Trace{SpanID: c.GetSpanID().GetValue()}}),
	}
}

func sayContext(e *model.Event) *wire.OrchestrationTraceContext {
	c := &wire.OrchestrationTraceContext{SpanStartTime: Timestamp(e.FireAt)}
	if t := e.Extra().Trace; t != nil {
		c.SpanID = optional(t.SpanID)
	}
	return c
}

// stamp says a time that may not be left out.
func stamp(t model.Time) *timestamppb.Timestamp {
	if t == 0 {
		return &timestamppb.Timestamp{}
	}
	return timestamppb.New(t.Std())
}
