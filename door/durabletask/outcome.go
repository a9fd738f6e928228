package durabletask

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/model"
)

// CompleteOrchestratorTask takes what a step came to, in one piece or in chunks. A
// worker whose answer cannot be understood, or breaks a limit, has failed the
// orchestration, which says why; its answer is taken.
func (s *Service) CompleteOrchestratorTask(ctx context.Context, q *wire.OrchestratorResponse) (_ *wire.CompleteTaskResponse, err error) {
	h, d, err := s.held(ctx, q.GetCompletionToken(), place{kind: engine.OrchestrationKind, instance: q.GetInstanceId()})
	if err != nil {
		return nil, err
	}
	defer h.refused(q.GetCompletionToken(), &err)
	actions, whole, err := h.gather(q)
	switch {
	case err != nil:
		return nil, err
	case !whole:
		return &wire.CompleteTaskResponse{}, nil
	case !d.take(h):
		return nil, errStale
	case q.GetRequiresHistory():
		return done(h.s.conn.Abandon(engine.OrchestrationKind, h.token, 0)) // it comes again, with its history
	case q.GetNumEventsProcessed() != nil && q.GetNumEventsProcessed().GetValue() <= 0 && len(actions) == 0:
		return done(h.s.conn.Abandon(engine.OrchestrationKind, h.token, abandonDelay)) // nothing was done
	}
	if h.attempt != nil || !h.s.extras && rewind.Requested(h.orchestration) && !rewinds(actions) {
		return done(h.rewindFor(ctx, actions))
	}
	r, err := h.result(ctx, q, actions)
	if unread, ok := errors.AsType[*unreadError](err); ok { // that is not the worker's fault
		_ = h.s.conn.Abandon(engine.OrchestrationKind, h.token, abandonDelay)
		return done(unread.err)
	}
	if err != nil {
		r = failedStep(h, &model.Failure{Type: model.FailureInvalidStep, NonRetriable: true, Message: "the worker's answer cannot be understood: " + err.Error()})
	}
	return done(h.completeStep(r))
}

// result reads what a step came to.
func (h *held) result(ctx context.Context, q *wire.OrchestratorResponse, actions []*wire.OrchestratorAction) (*engine.OrchestrationResult, error) {
	item := h.orchestration
	// Whether the begin of the step is counted, the protocol does not say.
	if n, all := q.GetNumEventsProcessed(), len(item.NewEvents); n != nil && int(n.GetValue()) < all {
		return nil, fmt.Errorf("it has processed %d of %d events, but a step processes all of them", n.GetValue(), all)
	}
	r := &engine.OrchestrationResult{Token: h.token, Now: item.Now, SetStatus: true, CustomStatus: translate.Bytes(q.GetCustomStatus())}
	readStep(r, q)
	if err := translate.Actions(r, h.unsent(actions)); err != nil {
		return nil, err
	}
	if r.Rewound != nil && !rewind.Requested(item) {
		return nil, errors.New("it rewinds the orchestration, which nobody has asked for")
	}
	if err := h.distinct(ctx, r); err != nil {
		return nil, err
	}
	r.Rewound = h.traced.untold(r.Rewound)
	h.traced.carry(r.Events)
	h.noteSpan(r, q.GetOrchestrationTraceContext())
	return r, nil
}

// distinct refuses an action whose ID another one of the execution has that waits
// for its answer: nobody could tell whose the answer is.
func (h *held) distinct(ctx context.Context, r *engine.OrchestrationResult) error {
	last, sorted := h.history.LastID, true
	for i := range r.Events {
		if e := &r.Events[i]; answered(e.Kind) {
			sorted = sorted && e.ID > last
			last = max(last, e.ID)
		}
	}
	if sorted && r.Rewound == nil {
		return nil // as SDKs do it
	}
	past := r.Rewound
	if past == nil && h.orchestration.PastEvents > 0 {
		var err error
		if past, err = h.s.conn.History(ctx, h.orchestration); err != nil {
			return &unreadError{err}
		}
	}
	seen := map[int32]struct{}{}
	note(seen, past)
	if r.Rewound == nil {
		note(seen, h.orchestration.NewEvents)
	}
	for i := range r.Events {
		e := &r.Events[i]
		if !answered(e.Kind) {
			continue
		}
		if _, twice := seen[e.ID]; twice {
			return fmt.Errorf("there is another action %d in this execution that waits for its answer, so the answer to %s %q could not be told from its", e.ID, e.Kind, e.Name)
		}
		seen[e.ID] = struct{}{}
	}
	return nil
}

// unreadError is that an answer could not be looked at, whatever it is.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return e.err.Error() }

// note keeps the IDs of actions that wait for their answers. One that has come
// makes the ID free again: Python tries again under the ID of what has failed.
func note(seen map[int32]struct{}, events []model.Event) {
	for i := range events {
		switch e := &events[i]; e.Kind {
		case model.TaskCompleted, model.TaskFailed, model.TimerFired, model.ChildCompleted, model.ChildFailed:
			delete(seen, e.Ref)
		default:
			if answered(e.Kind) {
				seen[e.ID] = struct{}{}
			}
		}
	}
}

// answered reports whether an action is answered by its ID.
func answered(k model.Kind) bool {
	return k == model.TaskScheduled || k == model.TimerCreated || k == model.ChildCreated
}

// noteSpan keeps what the worker says about its span, to be told with the next
// step. With the execution it ends.
func (h *held) noteSpan(r *engine.OrchestrationResult, c *wire.OrchestrationTraceContext) {
	if c.GetSpanID().GetValue() == "" || len(c.GetSpanID().GetValue()) > model.MaxName || r.Rewound == nil && proto.Equal(c, h.history.Span) {
		return
	}
	if n := len(r.Events); n == 0 || r.Events[n-1].Kind != model.ExecutionCompleted {
		r.Events = append(r.Events, translate.Span(c))
	}
}

// failedStep is the result of a step that fails its orchestration.
func failedStep(h *held, f *model.Failure) *engine.OrchestrationResult {
	return &engine.OrchestrationResult{Token: h.token, Now: h.orchestration.Now, Events: []model.Event{{
		Kind: model.ExecutionCompleted, ID: model.NoID, Failure: f, Ext: &model.Ext{Status: model.Failed},
	}}}
}

// What the chunks of one answer may add up to: more than the engine takes in a step
// is refused there, but it has to be collected first.
const (
	maxChunkActions = 1 << 16
	maxChunkBytes   = 64 << 20
)

// gather collects the actions of an answer. It reports whether they are whole.
func (h *held) gather(q *wire.OrchestratorResponse) ([]*wire.OrchestratorAction, bool, error) {
	if !q.GetIsPartial() && q.GetChunkIndex() == nil {
		return q.GetActions(), true, nil // nearly always
	}
	size := proto.Size(q)
	h.mu.Lock()
	defer h.mu.Unlock()
	if q.GetChunkIndex() != nil && q.GetChunkIndex().GetValue() != h.chunks {
		if i := q.GetChunkIndex().GetValue(); i < h.chunks {
			return nil, false, nil // sent again
		}
		return nil, false, invalid("chunk %d of the answer for instance %q came before chunk %d", q.GetChunkIndex().GetValue(), h.instance, h.chunks)
	}
	if len(h.actions)+len(q.GetActions()) > maxChunkActions || h.bytes+size > maxChunkBytes {
		return nil, false, invalid("the chunks of the answer for instance %q have more than %d actions, or %d bytes", h.instance, maxChunkActions, maxChunkBytes)
	}
	h.actions, h.bytes = append(h.actions, q.GetActions()...), h.bytes+size
	h.chunks++
	return h.actions, !q.GetIsPartial(), nil
}

// CompleteEntityTask takes what a batch of operations came to. A worker whose
// result cannot be understood or kept has failed all of them; their callers are
// told why.
func (s *Service) CompleteEntityTask(ctx context.Context, q *wire.EntityBatchResult) (*wire.CompleteTaskResponse, error) {
	h, d, err := s.heldBatch(ctx, q)
	if err != nil {
		return nil, err
	}
	if !d.take(h) {
		return nil, errStale
	}
	h.s.passed()
	switch {
	case q.GetRequiresState():
		return done(h.s.conn.Abandon(engine.EntityKind, h.token, 0))
	case translate.IsTooLarge(q): // it would be as large again
		return done(h.failBatch(d, len(h.entity.Operations), translate.ToFailure(q.GetFailureDetails())))
	}
	r, err := translate.EntityResult(q)
	if n := len(q.GetResults()); err == nil && n > len(h.entity.Operations) {
		err = fmt.Errorf("there are %d results for %d operations", n, len(h.entity.Operations))
	}
	if err == nil {
		r.Token, r.Now = h.token, h.entity.Now
		h.traced.carry(r.Events)
		err = h.completeBatch(r, q.GetResults())
	}
	if err == nil || errors.Is(err, engine.ErrStale) || errors.Is(err, engine.ErrClosed) {
		return done(err)
	}
	kind := model.FailureInvalidStep
	if errors.Is(err, engine.ErrTooLarge) {
		kind = model.FailurePayloadTooLarge
	}
	f := &model.Failure{Type: kind, NonRetriable: true, Message: "what the operations came to cannot be kept: " + err.Error()}
	return done(h.failBatch(d, len(q.GetResults()), f))
}

// failBatch fails the first n operations of a batch.
func (h *held) failBatch(d *desk, n int, f *model.Failure) error {
	if h.s.extras {
		return d.failLater(h, n, f)
	}
	return h.completeBatch(failedBatch(h, n, f), nil)
}

// heldBatch finds the batch that a result is for.
func (s *Service) heldBatch(ctx context.Context, q *wire.EntityBatchResult) (*held, *desk, error) {
	if q.GetCompletionToken() != "" {
		return s.held(ctx, q.GetCompletionToken(), place{kind: engine.EntityKind})
	}
	hub, err := s.hub(ctx)
	if err != nil {
		return nil, nil, err
	}
	d := s.desk(hub)
	h := d.batch(q.GetOperationInfos())
	if h == nil {
		return nil, nil, errStale
	}
	return h, d, nil
}

// failedBatch is the result of a batch of which the first n operations, at least
// one, failed and had no effect.
func failedBatch(h *held, n int, f *model.Failure) *engine.EntityResult {
	r := &engine.EntityResult{Token: h.token, Now: h.entity.Now, State: h.entity.State}
	for range min(max(n, 1), len(h.entity.Operations)) {
		r.Results = append(r.Results, engine.OperationResult{Failure: f})
	}
	return r
}
