package durable_test

import (
	"testing"

	"github.com/netherite-go/netherite/durable"
)

// TestDeferredFunctionThatRepeatsUntilItSucceedsEndsWhenUnwound: what it asks for has no
// effect then, however often.
func TestDeferredFunctionThatRepeatsUntilItSucceedsEndsWhenUnwound(t *testing.T) {
	for name, attempt := range map[string]func(*durable.Context) error{
		"call":  func(ctx *durable.Context) error { return durable.WaitAll(ctx, sayHello.Call(ctx, "x")) },
		"sleep": func(ctx *durable.Context) error { return durable.Sleep(ctx, ms) },
		"first": func(ctx *durable.Context) error { _, err := durable.First(ctx, durable.Timer(ctx, ms)); return err },
		"lock":  func(ctx *durable.Context) error { _, err := durable.Lock(ctx, accounts.Key("x")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			after := false
			persists := durable.Orchestration("Persists", func(ctx *durable.Context, _ durable.None) (string, error) {
				defer func() { after = true }()
				defer func() {
					for attempt(ctx) != nil {
					}
				}()
				return sayHello.Call(ctx, "y").Await()
			})
			hub := open(t, []durable.Handler{persists, sayHello, accounts}, evicting)
			run, err := persists.Start(within(t), hub, durable.None{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := run.Wait(within(t)); err != nil || got != "Hello y!" {
				t.Errorf("it came to %q, %v", got, err)
			}
			if !after {
				t.Error("a deferred function after it has not run")
			}
		})
	}
}
