package durable_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// The code that the histories in testdata/histories were recorded with. It may
// never change; new features get new code and new histories beside it.

type recordedAccount struct{ Balance int }

var (
	errRecorded     = durable.NewError("Recorded")
	recordedAccts   = durable.Entity[recordedAccount]("RecordedAccount")
	recordedDeposit = durable.Operation(recordedAccts, "Deposit", func(a *recordedAccount, _ *durable.EntityContext, n int) (int, error) {
		if a.Balance+n < 0 {
			return 0, errRecorded.With("short of", -a.Balance-n)
		}
		a.Balance += n
		return a.Balance, nil
	})
	recordedBalance = durable.Getter(recordedAccts, "Balance", func(a *recordedAccount, _ *durable.EntityContext) (int, error) { return a.Balance, nil })
	recordedStep    = durable.Event[string]("Step")
	recordedGreet   = durable.Activity("RecordedGreet", func(_ context.Context, s string) (string, error) { return "Hello " + s + "!", nil })
	recordedFlaky   = durable.Activity("RecordedFlaky", func(ctx context.Context, n int) (int, error) {
		if durable.Attempt(ctx) < n {
			return 0, errRecorded.With("attempt", durable.Attempt(ctx))
		}
		return n, nil
	})
	recordedNever = durable.Activity("RecordedNever", func(context.Context, string) (string, error) {
		return "", durable.NonRetriable(fmt.Errorf("never: %w", errRecorded))
	})

	recordedTour = durable.Orchestration("RecordedTour", func(ctx *durable.Context, cities []string) ([]string, error) {
		var calls []*durable.Future[string]
		for _, c := range cities {
			calls = append(calls, recordedGreet.Call(ctx, c))
		}
		var out []string
		for i, f := range durable.Completed(ctx, calls...) {
			s, err := f.Await()
			if err != nil {
				return nil, err
			}
			out = append(out, fmt.Sprint(i, s))
		}
		return out, ctx.SetStatus(len(out))
	})
	recordedRetries = durable.Orchestration("RecordedRetries", func(ctx *durable.Context, _ durable.None) (string, error) {
		n, err := recordedFlaky.Call(ctx, 3, durable.Retry{Attempts: 5, First: time.Millisecond, Factor: 2}).Await()
		if err != nil {
			return "", err
		}
		_, err = recordedFlaky.Call(ctx, 9, durable.Retry{Attempts: 2, First: -1}).Await()
		if !errors.Is(err, errRecorded) {
			return "", fmt.Errorf("it did not fail: %w", err)
		}
		_, err = recordedNever.Call(ctx, "x", durable.Retry{Attempts: 5}).Await()
		return fmt.Sprint(n), err
	})
	recordedRace = durable.Orchestration("RecordedRace", func(ctx *durable.Context, d time.Duration) (string, error) {
		timer, event := durable.Timer(ctx, d), recordedStep.Next(ctx)
		first, err := durable.First(ctx, timer, event)
		if err != nil {
			return "", err
		}
		if first == 0 {
			event.Cancel()
			return "too late", nil
		}
		timer.Cancel()
		s, err := event.Await()
		return s + " " + ctx.NewGUID(), err
	})
	recordedTransfer = durable.Orchestration("RecordedTransfer", func(ctx *durable.Context, amount int) (string, error) {
		a, b := recordedAccts.Key("a"), recordedAccts.Key("b")
		if err := recordedDeposit.Signal(ctx, a, 100); err != nil {
			return "", err
		}
		unlock, err := durable.Lock(ctx, a, b)
		if err != nil {
			return "", err
		}
		defer unlock()
		if _, err := recordedDeposit.Call(ctx, b, -1).Await(); err == nil {
			return "", errors.New("overdrawn")
		}
		_, err = durable.All(ctx, recordedDeposit.Call(ctx, a, -amount), recordedDeposit.Call(ctx, b, amount))
		if err != nil {
			return "", err
		}
		x, y, err := durable.All2(ctx, recordedBalance.Call(ctx, a), recordedBalance.Call(ctx, b))
		return fmt.Sprint(x, " ", y), err
	})
	recordedFamily = durable.Orchestration("RecordedFamily", func(ctx *durable.Context, n int) (out []string, err error) {
		branch := durable.Go(ctx, func(ctx *durable.Context) (string, error) {
			if err := durable.Sleep(ctx, time.Millisecond); err != nil {
				return "", err
			}
			return recordedGreet.Call(ctx, "branch").Await()
		})
		children := []*durable.Future[[]string]{recordedTour.Call(ctx, []string{"x", "y"}), recordedTour.Call(ctx, nil, durable.ID("recorded-child"))}
		lists, err := durable.All(ctx, children...)
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			out = append(out, l...)
		}
		if _, err := recordedRetries.Call(ctx, durable.None{}).Await(); err != nil {
			out = append(out, "a child failed")
		}
		s, err := branch.Await()
		return append(out, s), err
	})
	recordedLoop  = durable.DeclareOrchestration[int, string]("RecordedLoop")
	recordedPatch = durable.DeclareOrchestration[string, string]("RecordedPatch")
)

// loop goes on as a new execution for each event, and ends with the third.
func loop(ctx *durable.Context, n int) (string, error) {
	s, err := recordedStep.Next(ctx).Await()
	if err != nil || n == 2 {
		return s, err
	}
	return recordedLoop.Again(n + 1)
}

// unpatched is what ran before patched did.
func unpatched(ctx *durable.Context, s string) (string, error) {
	a, err := recordedGreet.Call(ctx, s).Await()
	if err != nil {
		return "", err
	}
	return recordedGreet.Call(ctx, a).Await()
}

// patched has been changed behind a marker.
func patched(ctx *durable.Context, s string) (string, error) {
	a, err := recordedGreet.Call(ctx, s).Await()
	if err != nil {
		return "", err
	}
	if ctx.Patched("in between") {
		if err := durable.Sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return recordedGreet.Call(ctx, a).Await()
}

// recordedChanged is what nobody should have made of it.
func recordedChanged(ctx *durable.Context, s string) (string, error) {
	if err := durable.Sleep(ctx, time.Millisecond); err != nil {
		return "", err
	}
	return unpatched(ctx, s)
}
