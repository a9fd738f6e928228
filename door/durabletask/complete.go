package durabletask

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// abandonDelay is how long work waits that a worker has given back: nobody else
// may be there, and it would come back at once.
const abandonDelay = 500 * time.Millisecond

// errStale refuses a completion. Its code does not make SDKs send it again.
var errStale = withCode(status.New(codes.FailedPrecondition, "the work item is no longer this worker's: it was completed, given back, or offered again to another worker"), engine.ErrStale)

// held finds the item that a completion is for.
func (s *Service) held(ctx context.Context, token string, p place) (*held, *desk, error) {
	hub, err := s.hub(ctx)
	if err != nil {
		return nil, nil, err
	}
	d := s.desk(hub)
	h := d.find(token, p, peerOf(ctx))
	if h == nil {
		if p.kind == engine.EntityKind {
			d.late(token)
		}
		return nil, nil, errStale
	}
	return h, d, nil
}

// CompleteActivityTask takes what an activity came to.
func (s *Service) CompleteActivityTask(ctx context.Context, q *wire.ActivityResponse) (_ *wire.CompleteTaskResponse, err error) {
	h, d, err := s.held(ctx, q.GetCompletionToken(), place{engine.ActivityKind, q.GetInstanceId(), q.GetTaskId()})
	if err != nil {
		return nil, err
	}
	defer h.refused(q.GetCompletionToken(), &err)
	if !d.take(h) {
		return nil, errStale
	}
	if q.GetFailureDetails() != nil && h.isCancelled() {
		return done(h.s.conn.Abandon(engine.ActivityKind, h.token, 0)) // nobody wants it: that is no outcome
	}
	r := &engine.ActivityResult{Token: h.token, Failure: translate.ToFailure(q.GetFailureDetails())}
	if r.Failure == nil {
		r.Result = translate.Bytes(q.GetResult())
	}
	return done(h.completeActivity(r))
}

// AbandonTaskActivityWorkItem gives an activity back. From a worker of this project it
// may say that it takes no more work.
func (s *Service) AbandonTaskActivityWorkItem(ctx context.Context, q *wire.AbandonActivityTaskRequest) (*wire.AbandonActivityTaskResponse, error) {
	if stream := leaving(q); stream != "" {
		if err := s.takesNoMore(ctx, stream); err != nil {
			return nil, err
		}
		r := &wire.AbandonActivityTaskResponse{}
		extra.Put(r, &extra.Leave{Stream: stream}) // others would say nothing
		return r, nil
	}
	return &wire.AbandonActivityTaskResponse{}, s.abandon(ctx, engine.ActivityKind, q.GetCompletionToken(), delayOf(q))
}

// AbandonTaskOrchestratorWorkItem gives a step of an orchestration back.
func (s *Service) AbandonTaskOrchestratorWorkItem(ctx context.Context, q *wire.AbandonOrchestrationTaskRequest) (*wire.AbandonOrchestrationTaskResponse, error) {
	return &wire.AbandonOrchestrationTaskResponse{}, s.abandon(ctx, engine.OrchestrationKind, q.GetCompletionToken(), delayOf(q))
}

// AbandonTaskEntityWorkItem gives a batch of operations back.
func (s *Service) AbandonTaskEntityWorkItem(ctx context.Context, q *wire.AbandonEntityTaskRequest) (*wire.AbandonEntityTaskResponse, error) {
	return &wire.AbandonEntityTaskResponse{}, s.abandon(ctx, engine.EntityKind, q.GetCompletionToken(), delayOf(q))
}

func (s *Service) abandon(ctx context.Context, kind engine.ItemKind, token string, after time.Duration) error {
	hub, err := s.hub(ctx)
	if err != nil {
		return err
	}
	d := s.desk(hub)
	h := d.find(token, place{kind: kind}, "")
	if token == "" || h == nil || !d.take(h) {
		return errStale
	}
	if kind == engine.EntityKind {
		h.s.passed()
	}
	return statusOf(h.s.conn.Abandon(h.kind, h.token, after))
}

// done answers a completion.
func done(err error) (*wire.CompleteTaskResponse, error) {
	switch {
	case errors.Is(err, engine.ErrStale):
		return nil, errStale
	case err != nil:
		return nil, statusOf(err)
	}
	return &wire.CompleteTaskResponse{}, nil
}
