package server

import (
	"context"

	netherite "github.com/netherite-go/netherite"
)

// Opened returns an open hub, which may be made on demand, for programs that assemble a server and look at what
// is in it; an empty name is the hub of callers that name none.
func (s *Server) Opened(name string) (*netherite.Hub, error) {
	return s.hubs.find(context.Background(), name, true)
}

// Create makes a task hub if there is none of that name; an empty name is the hub of
// callers that name none.
func (s *Server) Create(ctx context.Context, name string) error {
	return s.hubs.Create(ctx, name, false)
}
