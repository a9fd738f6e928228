package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// Nothing in it went wrong: the hub that it belongs to closed under it, so that the call
// has its outcome from the run after the next Open, and a Retry counts no attempt.
func TestAnActivityThatItsOwnClosingHubRefusesRunsAgain(t *testing.T) {
	asked := map[string]func(context.Context, *netherite.Hub, string) error{
		"start": func(ctx context.Context, hub *netherite.Hub, _ string) error {
			_, err := tour.Start(ctx, hub, nil)
			return err
		},
		"backup": func(ctx context.Context, hub *netherite.Hub, dir string) error {
			_, err := hub.Backup(ctx, filepath.Join(dir, "copy"))
			return err
		},
	}
	ends := map[string]func(testing.TB, *netherite.Hub){
		"close": func(t testing.TB, hub *netherite.Hub) {
			if err := hub.Close(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"kill": func(_ testing.TB, hub *netherite.Hub) { hub.Kill() },
	}
	for what, ask := range asked {
		for how, end := range ends {
			t.Run(what+", "+how, func(t *testing.T) { refusedByItsHub(t, ask, end) })
		}
	}
}

func refusedByItsHub(t *testing.T, ask func(context.Context, *netherite.Hub, string) error, end func(testing.TB, *netherite.Hub)) {
	began, refused := make(chan struct{}), make(chan error, 1)
	var hub *netherite.Hub
	other, first := t.TempDir(), true
	asks := durable.Activity("Asks", func(ctx context.Context, _ string) (string, error) {
		if !first {
			return fmt.Sprint("attempt ", durable.Attempt(ctx)), nil
		}
		first = false
		close(began)
		for {
			if err := ask(ctx, hub, other); err != nil {
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
	end(t, hub)
	if err := <-refused; !errors.Is(err, engine.ErrClosed) && !errors.Is(err, context.Canceled) {
		t.Fatalf("the hub that ended refused its activity with %v", err)
	}
	hub = open(t, dir, netherite.Serve(asks, order))
	if got, err := order.Attach(hub, "order").Wait(t.Context()); err != nil || got != "attempt 1" {
		t.Errorf("%q, %v", got, err)
	}
}
