package durabletask

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// MadeHeader is the header of an answer to CreateTaskHub that says whether there was no
// such hub before: "true", or "false". The answer itself has no place for it.
const MadeHeader = "netherite-made"

// CreateTaskHub makes the task hub that the call's metadata names.
func (s *Service) CreateTaskHub(ctx context.Context, q *wire.CreateTaskHubRequest) (*wire.CreateTaskHubResponse, error) {
	old, before := s.opts.Hubs.Hub(ctx, hubName(ctx))
	defer s.tellGone(old)
	if err := s.opts.Hubs.Create(ctx, hubName(ctx), q.GetRecreateIfExists()); err != nil {
		return nil, statusOf(err)
	}
	made := strconv.FormatBool(errors.Is(before, engine.ErrNotFound))
	_ = grpc.SetHeader(ctx, metadata.Pairs(MadeHeader, made)) // who calls without gRPC has no headers
	return &wire.CreateTaskHubResponse{}, nil
}

// DeleteTaskHub removes the task hub that the call's metadata names, with all
// that is in it.
func (s *Service) DeleteTaskHub(ctx context.Context, _ *wire.DeleteTaskHubRequest) (*wire.DeleteTaskHubResponse, error) {
	old, _ := s.opts.Hubs.Hub(ctx, hubName(ctx)) // Delete itself says that there is none
	defer s.tellGone(old)
	if err := s.opts.Hubs.Delete(ctx, hubName(ctx)); err != nil {
		return nil, statusOf(err)
	}
	return &wire.DeleteTaskHubResponse{}, nil
}

// tellGone has the streams of a hub look whether it still is what they are of.
func (s *Service) tellGone(hub Hub) {
	if hub == nil {
		return
	}
	d := s.desk(hub)
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.sessions { // order-free: each looks by itself
		w.look()
	}
}
