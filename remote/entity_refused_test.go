package remote_test

import (
	"strings"
	"testing"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
)

type notes struct{ Text string }

func (n *notes) Append(_ *durable.EntityContext, s string) (int, error) {
	n.Text += s
	return len(n.Text), nil
}

func (n *notes) Size(*durable.EntityContext, durable.None) (int, error) { return len(n.Text), nil }

// TestStateThatTheServerDoesNotKeepIsNotGoneOnWith: the server allows less than the
// worker does, and fails the operation. The worker must not go on from the state that
// it has in memory.
func TestStateThatTheServerDoesNotKeepIsNotGoneOnWith(t *testing.T) {
	entity := durable.Entity[notes]("Notes")
	add, size := durable.Operation(entity, "Append", (*notes).Append), durable.Operation(entity, "Size", (*notes).Size)
	try := durable.Orchestration("Try", func(ctx *durable.Context, text string) (int, error) {
		if _, err := add.Call(ctx, entity.Key("x"), text).Await(); err != nil && !strings.Contains(err.Error(), "cannot be kept") {
			return 0, err
		}
		return size.Call(ctx, entity.Key("x"), durable.None{}).Await()
	})
	hub := dialed(t, sdktest.Start(t, "--limits-payload=1000").GRPC, netherite.Serve(entity, try))
	ran(t, hub, try, "four", 4)
	long := strings.Repeat("long", 150)
	ran(t, hub, try, long, 604)
	ran(t, hub, try, long, 604)
	ran(t, hub, try, "more", 608)
}
