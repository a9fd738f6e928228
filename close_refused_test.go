package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// Nothing in it went wrong: the hub that it belongs to closed under it, so that the call
// has its outcome from the run after the next Open, and a Retry counts no attempt.
func TestAnActivityThatItsOwnClosingHubRefusesRunsAgain(t *testing.T) {
	began, refused := make(chan struct{}), make(chan error, 1)
	var hub *netherite.Hub
	first := true
	asks := durable.Activity("Asks", func(ctx context.Context, _ string) (string, error) {
		if !first {
			return fmt.Sprint("attempt ", durable.Attempt(ctx)), nil
		}
		first = false
		close(began)
		for {
			if _, err := tour.Start(ctx, hub, nil); err != nil {
				refused <- err
				return "", fmt.Errorf("ask the hub: %w", err)
			}
		}
	})
	order := durable.Orchestration("Order", func(ctx *durable.Context, _ string) (string, error) {
		return asks.Call(ctx, "").Await()
	})
	dir := t.TempDir()
	hub = open(t, dir, netherite.Serve(asks, order))
	if _, err := order.Start(t.Context(), hub, "", durable.ID("order")); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, engine.ErrClosed) {
		t.Fatalf("the hub that closed refused its activity with %v", err)
	}
	hub = open(t, dir, netherite.Serve(asks, order))
	if got, err := order.Attach(hub, "order").Wait(t.Context()); err != nil || got != "attempt 1" {
		t.Errorf("%q, %v", got, err)
	}
}
