package durabletask

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
)

// Numbers of the fields of WorkItem, and of those of OrchestratorRequest that are
// of some size.
const (
	fieldStep      = 1
	fieldActivity  = 2
	fieldPast      = 3
	fieldNew       = 4
	fieldStreaming = 6
	fieldSpan      = 8
)

// give sends one item. Steps and activities are encoded at once, into memory that
// is used again: to the message they are fields that need no further encoding.
func (w *session) give(ctx context.Context, item any) error {
	if w.refuses(item) {
		return nil
	}
	w.given++
	h := &held{s: w, text: w.id + "." + strconv.FormatUint(w.given, 16)}
	m := &wire.WorkItem{CompletionToken: h.text}
	switch i := item.(type) {
	case *engine.ActivityItem:
		h.place, h.token = place{engine.ActivityKind, i.Instance, i.Task}, i.Token
		h.traced, i = w.traceActivity(i)
		w.activity(m, i)
	case *engine.EntityItem:
		h.place, h.token, h.entity = place{kind: engine.EntityKind, instance: i.Instance}, i.Token, i
		if f := w.d.failed(i); f != nil {
			w.unsent(h.token)
			_ = h.completeBatch(failedBatch(h, f.operations, f.with), nil) // it may be stale, which is all the same
			return nil
		}
		h.traced, i = w.traceBatch(i)
		m.Request = &wire.WorkItem_EntityRequestV2{EntityRequestV2: cut(w.batch(i))}
	case *engine.OrchestrationItem:
		if w.java && rewind.Requested(i) {
			first, err := w.beginRewind(ctx, i)
			if err != nil || first == nil {
				return nil // it has been given back, or is over
			}
			return w.give(ctx, first)
		}
		return w.giveStep(ctx, m, h, i)
	case *attempt:
		h.attempt = i
		return w.giveStep(ctx, m, h, i.item)
	}
	return w.post(m, h)
}

// giveStep sends a step of an orchestration.
func (w *session) giveStep(ctx context.Context, m *wire.WorkItem, h *held, i *engine.OrchestrationItem) error {
	h.place, h.token, h.orchestration = place{kind: engine.OrchestrationKind, instance: i.Instance}, i.Token, i
	if err := w.step(ctx, m, h); err != nil {
		_ = w.conn.Abandon(h.kind, h.token, abandonDelay) // it may be stale, which is all the same
		return nil
	}
	return w.post(m, h)
}

// post sends an item that has been encoded.
func (w *session) post(m *wire.WorkItem, h *held) error {
	if n := proto.Size(m); n > maxMessage {
		w.tooLarge(h, n)
		return nil
	}
	if !w.d.put(h) {
		return errStalled
	}
	return w.sendOne(m)
}

// encoded makes a message of fields that are encoded already. They are not needed
// any more when it has been sent.
func (w *session) encoded(m *wire.WorkItem, fields []byte) {
	w.fields = fields[:0]
	m.ProtoReflect().SetUnknown(fields)
}

// maxKept is the most memory that a stream keeps for the next item.
const maxKept = 64 << 10

// room is memory for an item.
func (w *session) room() []byte {
	if cap(w.fields) > maxKept {
		w.fields = nil
	}
	return w.fields[:0]
}

// activity says one run of an activity.
func (w *session) activity(m *wire.WorkItem, i *engine.ActivityItem) {
	x := w.extraOfActivity(i)
	if b, ok := translate.AppendActivity(w.room(), fieldActivity, i, x); ok {
		w.encoded(m, b)
		return
	}
	q := translate.ActivityRequest(i)
	if x != nil {
		extra.Put(q, x)
	}
	m.Request = &wire.WorkItem_ActivityRequest{ActivityRequest: q}
}

// step says a step of an orchestration, with what it has been through.
func (w *session) step(ctx context.Context, m *wire.WorkItem, h *held) error {
	i := h.orchestration
	h.history = translate.NewHistory(i.Instance, i.Execution)
	h.history.ToWorker = true
	past, err := h.past(ctx)
	if err != nil {
		return err
	}
	h.noteSent(past)
	h.traced = w.traceStep(i, past)
	past = h.traced.told(past)
	w.encoded(m, translate.AppendStep(w.room(), fieldStep, i, w.extraOfStep(i), func(b []byte) []byte {
		before := len(b)
		b = h.history.Append(b, fieldPast, past, w.extras)
		if w.streams && len(b)-before > inlineBytes {
			b = append(b[:before], fieldStreaming<<3, 1) // it reads the past by itself
		}
		b = h.appendTold(b)
		if h.history.Span != nil {
			b = translate.AppendMessage(b, fieldSpan, h.history.Span)
		}
		return b
	}))
	return nil
}

// inlineBytes is from which size on a history is left to workers that read it by
// themselves.
const inlineBytes = 1 << 20
