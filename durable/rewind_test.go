package durable_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/durable"
)

// A call to an entity that had no answer when the orchestration failed is not
// made again: the operation may have run. The execution stays the same.
func TestRewindKeepsTheExecutionAndLeavesUnansweredCallsUnknown(t *testing.T) {
	var mended atomic.Bool
	work := durable.Activity("Work", func(context.Context, durable.None) (durable.None, error) {
		if !mended.Load() {
			return durable.None{}, durable.NonRetriable(errFlaky)
		}
		return durable.None{}, nil
	})
	unserved := durable.Entity[struct{ N int }]("Unserved") // so that it never answers
	touch := durable.Operation(unserved, "Touch", func(s *struct{ N int }, _ *durable.EntityContext, n int) (int, error) {
		s.N += n
		return s.N, nil
	})
	parent := durable.Orchestration("Parent", func(ctx *durable.Context, _ durable.None) (string, error) {
		call := touch.Call(ctx, unserved.Key("a"), 1)
		if _, err := work.Call(ctx, durable.None{}).Await(); err != nil {
			return "", err
		}
		_, err := call.Await()
		var failed *durable.TaskError
		if !errors.As(err, &failed) {
			return "", err
		}
		return failed.Type, nil
	})
	h := open(t, []durable.Handler{work, parent})
	ctx := within(t)
	run, err := parent.Start(ctx, h, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, errFlaky) {
		t.Fatal(err)
	}
	mended.Store(true)
	if err := run.Rewind(ctx, "mended"); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "OutcomeUnknown" {
		t.Errorf("%q, %v", got, err)
	}
	if m, err := run.Status(ctx); err != nil || m.Execution != run.Execution() {
		t.Errorf("%v is at execution %v, %v", m.Execution, run.Execution(), err)
	}
}

// The locks of a critical section are released when its orchestration fails, and
// others may have changed the entities since.
func TestOrchestrationThatFailedInACriticalSectionFailsAgainWhenRewound(t *testing.T) {
	account := durable.Entity[struct{ N int }]("Account")
	fails := durable.Orchestration("Fails", func(ctx *durable.Context, _ durable.None) (string, error) {
		unlock, err := durable.Lock(ctx, account.Key("a"))
		if err != nil {
			return "", err
		}
		defer unlock()
		return "", errFlaky
	})
	h := open(t, []durable.Handler{account, fails})
	ctx := within(t)
	run, err := fails.Start(ctx, h, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, errFlaky) {
		t.Fatal(err)
	}
	if err := run.Rewind(ctx, "try"); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, durable.ErrCriticalSection) || !errors.Is(err, errFlaky) {
		t.Errorf("%v", err)
	}
}

// The end takes back a suspension that comes in the same step as what makes the code
// fail: nobody would resume what is running.
func TestRewoundOrchestrationThatWasSuspendedAsItFailedGoesOn(t *testing.T) {
	var mended atomic.Bool
	inStep, release := make(chan struct{}), make(chan struct{})
	reached := sync.OnceFunc(func() { close(inStep) })
	work := durable.Activity("Work", func(ctx context.Context, _ durable.None) (string, error) {
		select {
		case <-inStep: // what it answers waits for the step to end
		case <-ctx.Done():
		}
		if !mended.Load() {
			return "", durable.NonRetriable(errFlaky)
		}
		return "done", nil
	})
	quick := durable.Activity("Quick", func(context.Context, durable.None) (durable.None, error) { return durable.None{}, nil })
	o := durable.Orchestration("Held", func(ctx *durable.Context, _ durable.None) (string, error) {
		answer := work.Call(ctx, durable.None{})
		if _, err := quick.Call(ctx, durable.None{}).Await(); err != nil {
			return "", err
		}
		reached()
		<-release
		return answer.Await()
	})
	h := open(t, []durable.Handler{work, quick, o})
	ctx := within(t)
	run, err := o.Start(ctx, h, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	<-inStep
	until := func(messages int64) {
		for m, err := run.Status(ctx); err != nil || m.Waits.Messages < messages; m, err = run.Status(ctx) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	until(2) // that of the step, which is held, and the failure
	if err := run.Suspend(ctx, "too late"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if _, err := run.Wait(ctx); !errors.Is(err, errFlaky) {
		t.Fatal(err)
	}
	mended.Store(true)
	if err := run.Rewind(ctx, "mended"); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "done" {
		t.Errorf("%q, %v", got, err)
	}
}
