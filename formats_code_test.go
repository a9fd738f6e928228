package netherite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// The code that the directories in testdata/formats were made with. What is in
// them runs on with it, so what it asks for may never change; new directories may
// use new code beside it.

type oldCounter struct{ N int }

var (
	oldCounters = durable.Entity[oldCounter]("OldCounter")
	oldAdd      = durable.Operation(oldCounters, "Add", func(c *oldCounter, _ *durable.EntityContext, n int) (int, error) {
		c.N += n
		return c.N, nil
	})
	oldGo    = durable.Event[string]("Go")
	oldGreet = durable.Activity("OldGreet", func(_ context.Context, s string) (string, error) { return "Hello " + s + "!", nil })
	// oldLater is served by nobody when a directory is made.
	oldLater = durable.DeclareActivity[int, int]("OldLater")
	// oldFlaky fails at first.
	oldFlaky = durable.DeclareActivity[int, int]("OldFlaky")

	oldHello = durable.Orchestration("OldHello", func(ctx *durable.Context, n int) (out []string, err error) {
		var calls []*durable.Future[string]
		for i := range n {
			calls = append(calls, oldGreet.Call(ctx, fmt.Sprint(i)))
		}
		if err := ctx.SetStatus(map[string]int{"calls": n}); err != nil {
			return nil, err
		}
		return durable.All(ctx, calls...)
	})
	oldFails = durable.Orchestration("OldFails", func(ctx *durable.Context, what string) (int, error) {
		if what == "panic" {
			panic("as it was told to")
		}
		return 0, durable.NewError("Refused").With("what", what)
	})
	oldWaits = durable.Orchestration("OldWaits", func(ctx *durable.Context, name string) (string, error) {
		greeting, err := oldGreet.Call(ctx, name).Await()
		if err != nil {
			return "", err
		}
		if ctx.Patched("second") {
			greeting += " " + ctx.NewGUID()
		}
		answer, err := oldGo.Next(ctx).Await()
		return greeting + " " + answer, err
	})
	oldSleeps = durable.Orchestration("OldSleeps", func(ctx *durable.Context, d time.Duration) (string, error) {
		if err := durable.Sleep(ctx, d); err != nil {
			return "", err
		}
		return oldGreet.Call(ctx, "sleeper").Await()
	})
	oldLocks = durable.Orchestration("OldLocks", func(ctx *durable.Context, keys []string) (int, error) {
		unlock, err := durable.Lock(ctx, oldCounters.Key(keys[0]), oldCounters.Key(keys[1]))
		if err != nil {
			return 0, err
		}
		defer unlock()
		if _, err := oldGo.Next(ctx).Await(); err != nil {
			return 0, err
		}
		return oldAdd.Call(ctx, oldCounters.Key(keys[0]), 10).Await()
	})
	oldParent = durable.Orchestration("OldParent", func(ctx *durable.Context, child string) (string, error) {
		branch := durable.Go(ctx, func(ctx *durable.Context) (string, error) {
			return oldWaits.Call(ctx, "child", durable.ID(child)).Await()
		})
		return branch.Await()
	})
	oldAgain   = durable.DeclareOrchestration[int, int]("OldAgain")
	oldPending = durable.Orchestration("OldPending", func(ctx *durable.Context, n int) (int, error) {
		later := oldLater.Call(ctx, n)
		flaky := oldFlaky.Call(ctx, n, durable.Retry{Attempts: 3, First: time.Hour})
		a, b, err := durable.All2(ctx, later, flaky)
		return a + b, err
	})
	oldSends = durable.Orchestration("OldSends", func(ctx *durable.Context, to string) ([]string, error) {
		for i := range 3 {
			if err := oldAdd.Signal(ctx, oldCounters.Key(to), i); err != nil {
				return nil, err
			}
		}
		return oldHello.Call(ctx, 2, durable.ID(to)).Await()
	})
)

// again goes on as a new execution three times, then waits for an event.
func again(ctx *durable.Context, n int) (int, error) {
	if n < 3 {
		return oldAgain.Again(n + 1)
	}
	_, err := oldGo.Next(ctx).Await()
	return n, err
}

// oldCode is the code to serve; all of it, or what was there when a directory was
// made.
func oldCode(all bool) []durable.Handler {
	flaky := func(_ context.Context, n int) (int, error) {
		if !all {
			return 0, errors.New("not yet")
		}
		return 100 * n, nil
	}
	code := []durable.Handler{oldGreet, oldHello, oldFails, oldWaits, oldSleeps, oldLocks, oldParent, oldPending, oldSends, oldCounters,
		oldAgain.By(again), oldFlaky.By(flaky)}
	if all {
		code = append(code, oldLater.By(func(_ context.Context, n int) (int, error) { return n + 1, nil }))
	}
	return code
}
