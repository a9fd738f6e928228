package gate

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func (s *service) AbandonTaskActivityWorkItem(context.Context, *wire.AbandonActivityTaskRequest) (*wire.AbandonActivityTaskResponse, error) {
	return &wire.AbandonActivityTaskResponse{}, nil
}

// That a worker leaves is said in the words of an answer, but is none: what it still has
// it may complete, whatever it has asked for otherwise.
func TestAWorkerThatLeavesStillOwesItsAnswers(t *testing.T) {
	auth, tokens := keysFor(t, map[string]Role{"worker": Worker})
	s := giver()
	s.get = func(context.Context) (*wire.GetInstanceResponse, error) { return &wire.GetInstanceResponse{}, nil }
	_, conn, _ := serveConn(t, s, Options{Rate: 1, Clock: newTestClock(), Authenticators: []Authenticator{auth}, DefaultHub: "orders"})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", tokens["worker"])
	work(ctx, t, c)
	if err := untilRefused(c, ctx); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.AbandonTaskActivityWorkItem(ctx, &wire.AbandonActivityTaskRequest{}); err != nil {
			t.Errorf("it cannot leave: %v", err)
		}
	}
	if _, err := c.CompleteActivityTask(ctx, &wire.ActivityResponse{CompletionToken: "token"}); err != nil {
		t.Errorf("its answer is refused: %v", err)
	}
	if _, err := c.CompleteActivityTask(ctx, &wire.ActivityResponse{CompletionToken: "token"}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("nothing is owed any more: %v", err)
	}
}
