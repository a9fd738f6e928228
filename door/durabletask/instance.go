package durabletask

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// GetInstance says what is known of an orchestration.
func (s *Service) GetInstance(ctx context.Context, q *wire.GetInstanceRequest) (*wire.GetInstanceResponse, error) {
	return s.read(ctx, q, func(c engine.Client, o engine.GetOptions) (*model.Instance, error) {
		return c.Get(ctx, q.GetInstanceId(), o)
	})
}

// WaitForInstanceStart answers once an orchestration is no longer pending.
func (s *Service) WaitForInstanceStart(ctx context.Context, q *wire.GetInstanceRequest) (*wire.GetInstanceResponse, error) {
	return untilNear(ctx, s.opts.Clock, func(ctx context.Context) (*wire.GetInstanceResponse, error) {
		return s.wait(ctx, q, engine.UntilStarted)
	})
}

// WaitForInstanceCompletion answers once an orchestration has ended.
func (s *Service) WaitForInstanceCompletion(ctx context.Context, q *wire.GetInstanceRequest) (*wire.GetInstanceResponse, error) {
	return untilNear(ctx, s.opts.Clock, func(ctx context.Context) (*wire.GetInstanceResponse, error) {
		return s.wait(ctx, q, engine.UntilEnded)
	})
}

// errStopping makes clients that wait come again, once the server is back.
var errStopping = status.Error(codes.Unavailable, "the server stops")

// wait ends when the service drains, too: some SDKs leave their waits open for good.
func (s *Service) wait(ctx context.Context, q *wire.GetInstanceRequest, until engine.Until) (*wire.GetInstanceResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.open, cancel)()
	r, err := s.read(ctx, q, func(c engine.Client, o engine.GetOptions) (*model.Instance, error) {
		return c.Wait(ctx, q.GetInstanceId(), until, o)
	})
	if err != nil && s.open.Err() != nil {
		return nil, errStopping
	}
	return r, err
}

// read answers with an instance, or says that there is none: that is no error.
// Neither is an entity, which is no orchestration.
func (s *Service) read(ctx context.Context, q *wire.GetInstanceRequest, get func(engine.Client, engine.GetOptions) (*model.Instance, error)) (*wire.GetInstanceResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	x := own(q)
	if model.IsEntity(q.GetInstanceId()) && !x.GetWhole() {
		return &wire.GetInstanceResponse{}, nil
	}
	o, err := options(engine.GetOptions{Payloads: q.GetGetInputsAndOutputs()}, x)
	if err != nil {
		return nil, err
	}
	i, err := get(client, o)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return &wire.GetInstanceResponse{}, nil
	case err != nil:
		return nil, statusOf(err)
	case x.GetWhole():
		return wholeInstance(i)
	}
	state := translate.State(i)
	if !q.GetGetInputsAndOutputs() {
		state.FailureDetails = nil
	}
	r := &wire.GetInstanceResponse{Exists: true, OrchestrationState: state}
	return r, fits(r, i.ID)
}

// fits refuses an answer that no client takes.
func fits(m proto.Message, instance string) error {
	if n := proto.Size(m); n > maxMessage {
		return status.Errorf(codes.ResourceExhausted, "what is known of instance %q has %d bytes with its payloads, and clients take no more than %d: ask for it without them", instance, n, maxMessage)
	}
	return nil
}
