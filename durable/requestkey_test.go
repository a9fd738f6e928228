package durable_test

import (
	"context"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/durable"
)

// attempts runs an activity whose first attempt fails after its requests, and whose
// second one makes others; it returns the hub when the activity is complete.
func attempts(t *testing.T, attempt func(context.Context, durable.Hub, int) error, handlers ...durable.Handler) *testHub {
	t.Helper()
	var hub *testHub
	asking := durable.Activity("Asking", func(ctx context.Context, _ durable.None) (durable.None, error) {
		n := durable.Attempt(ctx)
		if err := attempt(ctx, hub, n); err != nil {
			return durable.None{}, durable.NonRetriable(err)
		}
		if n == 1 {
			return durable.None{}, errFlaky
		}
		return durable.None{}, nil
	})
	asks := durable.Orchestration("Asks", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		return asking.Call(ctx, durable.None{}, durable.Retry{Attempts: 2, First: ms}, durable.AfterCommit).Await()
	})
	hub = open(t, append(handlers, asking, asks))
	ctx := within(t)
	run, err := asks.Start(ctx, hub, durable.None{})
	if err == nil {
		_, err = run.Wait(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

func TestAttemptThatPostsOtherThingsFirstSwallowsNone(t *testing.T) {
	key := accounts.Key("posted")
	hub := attempts(t, func(ctx context.Context, hub durable.Hub, n int) error {
		if n > 1 {
			if err := add.Post(ctx, hub, key, 10); err != nil {
				return err
			}
		}
		return add.Post(ctx, hub, key, 1)
	}, accounts)
	if got, ok, err := accounts.Read(within(t), hub, key); err != nil || !ok || got.Balance != 11 {
		t.Errorf("%d, %v", got.Balance, err)
	}
}

func TestEqualPostsOfOneAttemptAreAllApplied(t *testing.T) {
	key := accounts.Key("posted")
	hub := attempts(t, func(ctx context.Context, hub durable.Hub, n int) error {
		for range n + 1 { // the second attempt makes one more
			if err := add.Post(ctx, hub, key, 1); err != nil {
				return err
			}
		}
		return nil
	}, accounts)
	if got, ok, err := accounts.Read(within(t), hub, key); err != nil || !ok || got.Balance != 3 {
		t.Errorf("%d, %v", got.Balance, err)
	}
}

// An ID that the hub makes up follows from the key.
func TestAttemptThatStartsOtherThingsFirstGetsEachItsOwn(t *testing.T) {
	echo := durable.Orchestration("Echo", func(_ *durable.Context, in string) (string, error) { return in, nil })
	var ids [3][]string
	attempts(t, func(ctx context.Context, hub durable.Hub, n int) error {
		inputs := []string{"a", "b"}
		if n == 2 {
			inputs = []string{"c", "b", "a"}
		}
		for _, in := range inputs {
			run, err := echo.Start(ctx, hub, in)
			if err != nil {
				return err
			}
			if got, err := run.Wait(ctx); err != nil || got != in {
				t.Errorf("attempt %d started %q and got %q, %v", n, in, got, err)
			}
			ids[n] = append(ids[n], run.ID())
		}
		return nil
	}, echo)
	if ids[1][0] != ids[2][2] || ids[1][1] != ids[2][1] {
		t.Errorf("repeated starts made others: %s", strings.Join(append(ids[1], ids[2]...), " "))
	}
}

func TestAttemptThatRaisesOtherEventsFirstSwallowsNone(t *testing.T) {
	heard := durable.Orchestration("Heard", func(ctx *durable.Context, _ durable.None) (string, error) {
		first, err := approved.Wait(ctx, durable.Forever)
		if err != nil {
			return "", err
		}
		second, err := approved.Wait(ctx, durable.Forever)
		return first + second, err
	})
	hub := attempts(t, func(ctx context.Context, hub durable.Hub, n int) error {
		if _, err := heard.Start(ctx, hub, durable.None{}, durable.ID("heard"), durable.IfExists(durable.Attach)); err != nil {
			return err
		}
		if n == 2 {
			if err := approved.Raise(ctx, hub, "heard", "b"); err != nil {
				return err
			}
		}
		return approved.Raise(ctx, hub, "heard", "a")
	}, heard)
	if got, err := heard.Attach(hub, "heard").Wait(within(t)); err != nil || got != "ab" {
		t.Errorf("%q, %v", got, err)
	}
}
