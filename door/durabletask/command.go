package durabletask

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// RaiseEvent sends an external event to an orchestration, or in the classic way
// of .NET a one-way operation to an entity.
func (s *Service) RaiseEvent(ctx context.Context, q *wire.RaiseEventRequest) (*wire.RaiseEventResponse, error) {
	var op model.Event
	switch classic, err := translate.ReadClassic(&op, q.GetInstanceId(), q.GetName(), translate.Bytes(q.GetInput())); {
	case err != nil:
		return nil, invalid("%v", err)
	case classic && op.Kind == model.EntitySignaled:
		_, err := s.SignalEntity(ctx, &wire.SignalEntityRequest{
			InstanceId: op.Instance, Name: op.Name, Input: translate.Payload(op.Payload), RequestId: op.RequestID, ScheduledTime: translate.Timestamp(op.FireAt),
		})
		return &wire.RaiseEventResponse{}, err
	case classic:
		return nil, invalid("only an orchestration can call or lock entity %q, or release it: its answer goes to it", q.GetInstanceId())
	}
	return command(s, ctx, func(c engine.Client) (*wire.RaiseEventResponse, error) {
		return &wire.RaiseEventResponse{}, c.Raise(ctx, engine.RaiseRequest{
			Instance: q.GetInstanceId(), Event: q.GetName(), Payload: translate.Bytes(q.GetInput()), Key: own(q).GetKey(),
		})
	})
}

// TerminateInstance ends an orchestration. One that has ended stays as it is.
func (s *Service) TerminateInstance(ctx context.Context, q *wire.TerminateRequest) (*wire.TerminateResponse, error) {
	return command(s, ctx, func(c engine.Client) (*wire.TerminateResponse, error) {
		return &wire.TerminateResponse{}, c.Terminate(ctx, engine.TerminateRequest{
			Instance: q.GetInstanceId(), Output: translate.Bytes(q.GetOutput()), Recursive: q.GetRecursive(),
		})
	})
}

// SuspendInstance suspends an orchestration. One that has ended stays as it is.
func (s *Service) SuspendInstance(ctx context.Context, q *wire.SuspendRequest) (*wire.SuspendResponse, error) {
	return command(s, ctx, func(c engine.Client) (*wire.SuspendResponse, error) {
		return &wire.SuspendResponse{}, unlessEnded(q, c.Suspend(ctx, q.GetInstanceId(), q.GetReason().GetValue()))
	})
}

// ResumeInstance resumes an orchestration. One that has ended stays as it is.
func (s *Service) ResumeInstance(ctx context.Context, q *wire.ResumeRequest) (*wire.ResumeResponse, error) {
	return command(s, ctx, func(c engine.Client) (*wire.ResumeResponse, error) {
		return &wire.ResumeResponse{}, unlessEnded(q, c.Resume(ctx, q.GetInstanceId(), q.GetReason().GetValue()))
	})
}

// RewindInstance takes back the failures of an orchestration that failed.
func (s *Service) RewindInstance(ctx context.Context, q *wire.RewindInstanceRequest) (*wire.RewindInstanceResponse, error) {
	return command(s, ctx, func(c engine.Client) (*wire.RewindInstanceResponse, error) {
		return &wire.RewindInstanceResponse{}, c.Rewind(ctx, q.GetInstanceId(), q.GetReason().GetValue())
	})
}

func command[R any](s *Service, ctx context.Context, do func(engine.Client) (R, error)) (none R, err error) {
	client, err := s.client(ctx)
	return commanded(client, err, do)
}

// commanded is command with a client that was found, or the error of that.
func commanded[R any](client engine.Client, err error, do func(engine.Client) (R, error)) (none R, _ error) {
	if err != nil {
		return none, err
	}
	r, err := do(client)
	if err != nil {
		return none, statusOf(err)
	}
	return r, nil
}

// unlessEnded makes no error of it that an instance has ended already, unless the
// caller wants to know.
func unlessEnded(q proto.Message, err error) error {
	if errors.Is(err, engine.ErrEnded) && own(q) == nil {
		return nil
	}
	return err
}

// maxBatch is how many instances one request may name.
const maxBatch = 500

// SkipGracefulOrchestrationTerminations ends orchestrations without asking a
// worker, and returns those that it has not ended: entities, those that hold
// locks, that have ended, and that there are none of.
func (s *Service) SkipGracefulOrchestrationTerminations(ctx context.Context, q *wire.SkipGracefulOrchestrationTerminationsRequest) (*wire.SkipGracefulOrchestrationTerminationsResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	ids := q.GetInstanceBatch().GetInstanceIds()
	if len(ids) > maxBatch {
		return nil, invalid("%d instances are named, at most %d are allowed", len(ids), maxBatch)
	}
	r := &wire.SkipGracefulOrchestrationTerminationsResponse{}
	for _, id := range ids {
		ended, err := endNow(ctx, client, id, translate.Bytes(q.GetReason()))
		if err != nil {
			return nil, statusOf(err)
		}
		if !ended {
			r.UnterminatedInstanceIds = append(r.UnterminatedInstanceIds, id)
		}
	}
	return r, nil
}

func endNow(ctx context.Context, client engine.Client, id string, reason []byte) (bool, error) {
	if model.IsEntity(id) {
		return false, nil
	}
	i, err := client.Get(ctx, id, engine.GetOptions{Waits: true})
	switch {
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrInvalid):
		return false, nil
	case err != nil:
		return false, err
	case i.Status.Ended(), i.Waits != nil && slices.ContainsFunc(i.Waits.Locks, func(l model.WaitLock) bool { return l.Granted }):
		return false, nil
	}
	err = client.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: reason})
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
