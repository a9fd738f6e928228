package durabletask

import (
	"context"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// CreateTaskHub makes the task hub that the call's metadata names.
func (s *Service) CreateTaskHub(ctx context.Context, q *wire.CreateTaskHubRequest) (*wire.CreateTaskHubResponse, error) {
	if err := s.opts.Hubs.Create(ctx, hubName(ctx), q.GetRecreateIfExists()); err != nil {
		return nil, statusOf(err)
	}
	return &wire.CreateTaskHubResponse{}, nil
}

// DeleteTaskHub removes the task hub that the call's metadata names, with all
// that is in it.
func (s *Service) DeleteTaskHub(ctx context.Context, _ *wire.DeleteTaskHubRequest) (*wire.DeleteTaskHubResponse, error) {
	if err := s.opts.Hubs.Delete(ctx, hubName(ctx)); err != nil {
		return nil, statusOf(err)
	}
	return &wire.DeleteTaskHubResponse{}, nil
}
