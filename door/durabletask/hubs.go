package durabletask

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/taskhub"
)

// Hub is a task hub that is served.
type Hub interface {
	Engine() engine.Client
	Feed() engine.Feed
}

// Hubs finds the task hubs of a server.
type Hubs interface {
	// Hub returns the hub of a name; empty is the hub of callers that name none.
	// The error is one of package status; NotFound makes workers try again.
	Hub(ctx context.Context, name string) (Hub, error)
	// Demand is Hub for those who give a hub work, or do some: it may make one.
	Demand(ctx context.Context, name string) (Hub, error)
	// Promise reports whether Demand would return a hub, by its error, and makes none.
	Promise(name string) error
	// Create makes a hub, Delete removes one with all that is in it.
	Create(ctx context.Context, name string, recreate bool) error
	Delete(ctx context.Context, name string) error
}

// hubName is the name of the task hub that a call is for, empty if it does not say.
func hubName(ctx context.Context) string {
	return taskhub.Named(func(key string) []string { return metadata.ValueFromIncomingContext(ctx, key) })
}

// single serves one hub under whatever name.
type single struct{ hub Hub }

// Hub implements Hubs.
func (s single) Hub(context.Context, string) (Hub, error) { return s.hub, nil }

// Demand implements Hubs.
func (s single) Demand(context.Context, string) (Hub, error) { return s.hub, nil }

// Promise implements Hubs.
func (single) Promise(string) error { return nil }

// Create implements Hubs.
func (single) Create(context.Context, string, bool) error {
	return status.Error(codes.FailedPrecondition, "this program serves one task hub, it creates no others")
}

// Delete implements Hubs.
func (single) Delete(context.Context, string) error {
	return status.Error(codes.FailedPrecondition, "this program serves one task hub, it does not delete it")
}
