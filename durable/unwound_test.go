package durable_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/durable"
)

// TestDeferredFunctionThatRepeatsUntilItSucceedsEndsWhenUnwound: what it asks for has no
// effect then, however often, or is refused for a reason that stays.
func TestDeferredFunctionThatRepeatsUntilItSucceedsEndsWhenUnwound(t *testing.T) {
	below := durable.Orchestration("Below", func(*durable.Context, durable.None) (string, error) { return "", nil })
	for name, attempt := range map[string]func(*durable.Context) error{
		"call":  func(ctx *durable.Context) error { return durable.WaitAll(ctx, sayHello.Call(ctx, "x")) },
		"sleep": func(ctx *durable.Context) error { return durable.Sleep(ctx, ms) },
		"first": func(ctx *durable.Context) error { _, err := durable.First(ctx, durable.Timer(ctx, ms)); return err },
		"lock":  func(ctx *durable.Context) error { _, err := durable.Lock(ctx, accounts.Key("x")); return err },
		"event": func(ctx *durable.Context) error {
			if _, err := approved.Wait(ctx, 0); ctx.Unwinding() { // else it may not come
				return err
			}
			return nil
		},
		// The critical section is not left while its orchestration lives on, and refuses them.
		"child":  func(ctx *durable.Context) error { return durable.WaitAll(ctx, below.Call(ctx, durable.None{})) },
		"signal": func(ctx *durable.Context) error { return add.Signal(ctx, accounts.Key("y"), 1) },
		"entity": func(ctx *durable.Context) error { return durable.WaitAll(ctx, add.Call(ctx, accounts.Key("y"), 1)) },
		// It is also all that such a loop may look at.
		"locked": func(ctx *durable.Context) error {
			if _, locked := durable.IsLocked(ctx); locked {
				return errors.New("in a critical section")
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := false
			persists := durable.Orchestration("Persists", func(ctx *durable.Context, _ durable.None) (string, error) {
				defer func() { after = true }()
				unlock := func() {}
				switch name {
				case "child", "signal", "entity", "locked":
					var err error
					if unlock, err = durable.Lock(ctx, accounts.Key("y")); err != nil {
						return "", err
					}
				}
				defer func() {
					for attempt(ctx) != nil {
					}
				}()
				if name != "entity" {
					defer unlock()
				} else {
					if _, err := add.Call(ctx, accounts.Key("y"), 1).Await(); err != nil {
						return "", err
					}
				}
				return sayHello.Call(ctx, "y").Await()
			})
			hub := open(t, []durable.Handler{persists, below, sayHello, accounts}, evicting)
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
