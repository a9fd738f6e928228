package durable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
)

var choose = durable.Orchestration("Choose", func(ctx *durable.Context, _ durable.None) (string, error) {
	late := durable.Timer(ctx, time.Hour)
	never := approved.Next(ctx)
	fast := sayHello.Call(ctx, "fast")
	i, err := durable.First(ctx, late, never, fast)
	if err != nil || i != 2 {
		return "", fmt.Errorf("first is %d: %w", i, err)
	}
	for _, loser := range []durable.Awaitable{late, never} {
		if err := durable.WaitAll(ctx, loser); !errors.Is(err, durable.ErrCanceled) {
			return "", fmt.Errorf("loser: %w", err)
		}
	}
	told, err := approved.Wait(ctx, durable.Forever) // not taken by the loser
	if err != nil {
		return "", err
	}
	said, err := fast.Await()
	return said + told, err
})

func TestLosersOfFirstTakeNothing(t *testing.T) {
	bothWays(t, []durable.Handler{choose, sayHello}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := choose.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		for {
			inst, err := run.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(inst.Waits.Tasks) == 0 && len(inst.Waits.Events) == 1 && len(inst.Waits.Timers) == 0 {
				break
			}
		}
		if err := approved.Raise(ctx, hub, run.ID(), "!"); err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "Hello fast!!" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

var branches = durable.Orchestration("Branches", func(ctx *durable.Context, names []string) (string, error) {
	var trace []string
	var fs []*durable.Future[string]
	for _, name := range names {
		fs = append(fs, durable.Go(ctx, func(ctx *durable.Context) (string, error) {
			trace = append(trace, "begin "+name)
			one, err := sayHello.Call(ctx, name).Await()
			if err != nil {
				return "", err
			}
			two, err := sayHello.Call(ctx, one).Await()
			trace = append(trace, "end "+name)
			return two, err
		}))
	}
	done := 0
	for i, f := range durable.Completed(ctx, fs...) {
		s, err := f.Await()
		if err != nil || !strings.Contains(s, names[i]) {
			return "", fmt.Errorf("%d %q: %w", i, s, err)
		}
		done++
	}
	all, err := durable.All(ctx, fs...)
	if done != len(names) || len(all) != done || len(trace) != 2*done {
		return "", fmt.Errorf("%d done, trace %q", done, trace)
	}
	return strings.Join(all, " "), err
})

func TestBranchesRunBesideEachOther(t *testing.T) {
	bothWays(t, []durable.Handler{branches, sayHello}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := branches.Start(ctx, hub, []string{"A", "B", "C"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "Hello Hello A!! Hello Hello B!! Hello Hello C!!" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestAllReturnsTheFirstErrorByPositionAndTheOthers(t *testing.T) {
	errA, errB := durable.NewError("a"), durable.NewError("b")
	fail := durable.Activity("Fail", func(_ context.Context, which string) (string, error) {
		return "", map[string]error{"a": errA, "b": errB}[which]
	})
	all := durable.Orchestration("AllFail", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		_, err := durable.All(ctx, fail.Call(ctx, ""), fail.Call(ctx, "a"), fail.Call(ctx, "b"))
		return durable.None{}, err
	})
	hub := open(t, []durable.Handler{all, fail})
	ctx := within(t)
	run, err := all.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run.Wait(ctx)
	var te *durable.TaskError
	if !errors.Is(err, errA) || !errors.Is(err, errB) || !errors.As(err, &te) || te.Type != "a" {
		t.Errorf("error %v", err)
	}
}

func TestFanOutOfTensOfThousands(t *testing.T) {
	const n = 30_000
	fan := durable.Orchestration("Fan", func(ctx *durable.Context, n int) (int, error) {
		fs := make([]*durable.Future[int], n)
		for i := range fs {
			fs[i] = double.Call(ctx, i)
		}
		all, err := durable.All(ctx, fs...)
		sum := 0
		for _, v := range all {
			sum += v
		}
		return sum, err
	})
	hub := openLarge(t, []durable.Handler{fan, double})
	ctx := within(t)
	run, err := fan.Start(ctx, hub, n)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != n*(n-1) {
		t.Fatalf("got %d, %v", got, err)
	}
}

// sameAgain gives a future several times, before it is done and when it is.
var sameAgain = durable.Orchestration("SameAgain", func(ctx *durable.Context, _ durable.None) (string, error) {
	var seen []int
	b := sayHello.Call(ctx, "b")
	again := durable.Go(ctx, func(*durable.Context) (string, error) { return b.Await() })
	for range 2 {
		for i, f := range durable.Completed(ctx, b, again, b, b) {
			if !f.Done() {
				return "", fmt.Errorf("%d is not done", i)
			}
			seen = append(seen, i)
		}
	}
	return fmt.Sprint(seen), nil
})

func TestCompletedYieldsAFutureAsOftenAsItIsGiven(t *testing.T) {
	bothWays(t, []durable.Handler{sameAgain, sayHello}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := sameAgain.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "[0 2 3 1 0 2 3 1]" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// givenUp cancels a branch that goes on and ends well; awaited says whether it looks in between.
var givenUp = durable.Orchestration("GivenUp", func(ctx *durable.Context, awaited bool) (string, error) {
	ended := false
	f := durable.Go(ctx, func(ctx *durable.Context) (string, error) {
		said, err := sayHello.Call(ctx, "branch").Await()
		ended = true
		return said, err
	})
	f.Cancel()
	if awaited {
		if _, err := f.Await(); !errors.Is(err, durable.ErrCanceled) {
			return "", fmt.Errorf("before it ended: %w", err)
		}
	}
	for !ended {
		if _, err := sayHello.Call(ctx, "main").Await(); err != nil {
			return "", err
		}
	}
	value, err := f.Await()
	return fmt.Sprintf("%q %v", value, errors.Is(err, durable.ErrCanceled)), nil
})

func TestCancelledBranchStaysCancelledWhenItEnds(t *testing.T) {
	bothWays(t, []durable.Handler{givenUp, sayHello}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		for _, awaited := range []bool{false, true} {
			run, err := givenUp.Start(ctx, hub, awaited)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := run.Wait(ctx); err != nil || got != `"" true` {
				t.Errorf("awaited %v: %s, %v", awaited, got, err)
			}
		}
	})
}

// TestZeroFutureIsNeverDone: it takes the place of something that is not waited for.
func TestZeroFutureIsNeverDone(t *testing.T) {
	never := &durable.Future[string]{}
	waits := durable.Orchestration("WaitsForZero", func(ctx *durable.Context, _ durable.None) (string, error) {
		if i, err := durable.First(ctx, never, durable.Timer(ctx, ms)); err != nil || i != 1 {
			return fmt.Sprint("first ", i), err
		}
		for i, f := range durable.Completed(ctx, never, sayHello.Call(ctx, "x")) {
			if i == 1 {
				return f.Await()
			}
			break
		}
		return "", nil
	})
	hub := open(t, []durable.Handler{waits, sayHello})
	run, err := waits.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "Hello x!" {
		t.Errorf("it came to %q, %v", got, err)
	}
}
