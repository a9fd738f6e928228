package durable_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// A retry handler runs while a failure is being delivered, not in the
// orchestration's own goroutine. If it ends the goroutine, that is the failure of
// its orchestration, and nothing is tried again.
func TestGoexitInARetryHandlerFailsOnlyItsOrchestration(t *testing.T) {
	broken := durable.Activity("Broken", func(context.Context, durable.None) (durable.None, error) {
		return durable.None{}, errors.New("broken")
	})
	var asked atomic.Int64
	exits := durable.Orchestration("Exits", func(ctx *durable.Context, delay bool) (durable.None, error) {
		exit := func() { asked.Add(1); runtime.Goexit() }
		retry := durable.Retry{Attempts: 3, If: func(durable.Failed) bool { exit(); return true }}
		if delay {
			retry = durable.Retry{Attempts: 3, Delay: func(durable.Failed) (time.Duration, bool) { exit(); return 0, true }}
		}
		return broken.Call(ctx, durable.None{}, retry).Await()
	})
	fine := durable.Orchestration("Fine", func(ctx *durable.Context, n int) (int, error) { return n, nil })
	bothWays(t, []durable.Handler{broken, exits, fine}, func(t *testing.T, h *testHub) {
		ctx := within(t)
		for _, delay := range []bool{false, true} {
			asked.Store(0)
			run, err := exits.Start(ctx, h, delay)
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.Wait(ctx)
			var failed *durable.TaskError
			if !errors.As(err, &failed) || failed.Type != model.FailurePanic || !strings.Contains(failed.Message, "goroutine") || failed.Stack == "" {
				t.Errorf("%v", err)
			}
			if asked.Load() != 1 {
				t.Errorf("the handler was asked %d times", asked.Load())
			}
		}
		if run, err := fine.Start(ctx, h, 7); err != nil {
			t.Error(err)
		} else if out, err := run.Wait(ctx); err != nil || out != 7 {
			t.Errorf("%d, %v", out, err)
		}
	})
}

// A rewind tries the code on histories. Code that ends the goroutine then fails
// the instance again, as code that panics does.
func TestGoexitDuringARewindFailsTheInstanceAgain(t *testing.T) {
	var broken atomic.Bool
	flaky := durable.Activity("Flaky", func(context.Context, durable.None) (durable.None, error) {
		return durable.None{}, durable.NonRetriable(errors.New("flaky"))
	})
	exits := durable.Orchestration("Exits", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		if broken.Load() {
			runtime.Goexit()
		}
		return flaky.Call(ctx, durable.None{}).Await()
	})
	h := open(t, []durable.Handler{flaky, exits})
	ctx := within(t)
	run, err := exits.Start(ctx, h, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); err == nil {
		t.Fatal("it did not fail")
	}
	broken.Store(true)
	if err := run.Rewind(ctx, "try"); err != nil {
		t.Fatal(err)
	}
	_, err = run.Wait(ctx)
	var failed *durable.TaskError
	if !errors.As(err, &failed) || failed.Type != model.FailurePanic {
		t.Errorf("%v", err)
	}
	if m, err := h.Engine().Get(ctx, run.ID(), engine.GetOptions{}); err != nil || m.Status != model.Failed {
		t.Errorf("%v, %v", m, err)
	}
}
