package metamorphic_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/internal/hubtest"
)

// The workflows of scripts. What they do depends on their inputs and on what
// they are told, never on the order of answers to things that run at the same
// time: that may differ.

var errOdd = durable.NewError("odd")

var (
	said = durable.Event[string]("said")

	double = durable.Activity("Double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	flaky  = durable.Activity("Flaky", func(ctx context.Context, failures int) (int, error) {
		if n := int(durable.Attempt(ctx)); n <= failures {
			return 0, fmt.Errorf("attempt %d of %d fails", n, failures+1)
		}
		return failures, nil
	})
	never = durable.Activity("Never", func(_ context.Context, n int) (int, error) { return 0, fmt.Errorf("%w: %d", errOdd, n) })

	fan = durable.Orchestration("Fan", func(ctx *durable.Context, n int) (int, error) {
		calls := make([]*durable.Future[int], n)
		for i := range calls {
			if i%2 == 0 {
				calls[i] = double.Call(ctx, i)
			} else {
				calls[i] = double.Call(ctx, i, durable.AfterCommit)
			}
		}
		sum := 0
		all, err := durable.All(ctx, calls...)
		for _, m := range all {
			sum += m
		}
		return sum, err
	})

	parent = durable.Orchestration("Parent", func(ctx *durable.Context, n int) (int, error) {
		a, b := fan.Call(ctx, n), sleeper.Call(ctx, n%3)
		x, _, err := durable.All2(ctx, a, b)
		return x, err
	})

	// sleeper sleeps some hours and half of one, so that it never wakes at a time at
	// which a script does something.
	sleeper = durable.Orchestration("Sleeper", func(ctx *durable.Context, hours int) (string, error) {
		if err := ctx.SetStatus(fmt.Sprint("sleeps ", hours)); err != nil {
			return "", err
		}
		return "slept", durable.Sleep(ctx, time.Duration(hours)*time.Hour+30*time.Minute)
	})

	// retrying is through with two retries, strides included, before an hour is over.
	retrying = durable.Orchestration("Retrying", func(ctx *durable.Context, failures int) (int, error) {
		return flaky.Call(ctx, failures, durable.Retry{Attempts: 3, First: 20 * time.Minute}).Await()
	})

	failing = durable.Orchestration("Failing", func(ctx *durable.Context, n int) (int, error) {
		if _, err := never.Call(ctx, n).Await(); !errors.Is(err, errOdd) {
			return 0, fmt.Errorf("the error is %w", err)
		}
		return 0, fmt.Errorf("number %d is odd", n)
	})

	// listener waits for words, with a limit, and signals each to an entity.
	listener = durable.Orchestration("Listener", func(ctx *durable.Context, limit int) (string, error) {
		text := ""
		for range limit {
			s, err := said.Wait(ctx, durable.Forever)
			if err != nil {
				return "", err
			}
			text += s
			if err := errors.Join(ctx.SetStatus(text), hubtest.Add.Signal(ctx, hubtest.Accounts.Key("words"), 1)); err != nil {
				return "", err
			}
		}
		return text, nil
	})

	// circling continues as new, and keeps the words that it has not waited for.
	circling = durable.DeclareOrchestration[int, string]("Circling")
)

func circle(ctx *durable.Context, left int) (string, error) {
	if left == 0 {
		return said.Wait(ctx, 6*time.Hour+30*time.Minute)
	}
	if _, err := double.Call(ctx, left).Await(); err != nil {
		return "", err
	}
	if err := hubtest.Add.Signal(ctx, hubtest.Accounts.Key("rounds"), 1); err != nil {
		return "", err
	}
	return circling.Again(left - 1)
}

var code = []durable.Handler{
	hubtest.Accounts, double, flaky, never, hubtest.Transfer, fan, parent, sleeper, retrying, failing, listener, circling.By(circle),
}
