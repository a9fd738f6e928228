package durable_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// elsewhere runs f in another goroutine and returns what it panicked with.
func elsewhere(f func()) (panicked any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	<-done
	return panicked
}

// TestCallsFromElsewhereAreRefusedBeforeTheyCount: a call that no replay repeats must not
// change the idempotency keys of those that it repeats.
func TestCallsFromElsewhereAreRefusedBeforeTheyCount(t *testing.T) {
	uses := durable.Orchestration("UsesElsewhere", func(ctx *durable.Context, _ durable.None) (string, error) {
		for what, use := range map[string]func(){
			"call":      func() { sayHello.Call(ctx, "x") },
			"operation": func() { add.Call(ctx, accounts.Key("x"), 1) },
			"wait":      func() { _, _ = approved.Wait(ctx, 0) },
			"next":      func() { approved.Next(ctx) },
			"lock":      func() { _, _ = durable.Lock(ctx) },
			"GUID":      func() { ctx.NewGUID() },
		} {
			if elsewhere(use) == nil {
				return "not refused: " + what, nil
			}
		}
		return sayHello.Call(ctx, "x").Await()
	})
	hub := open(t, []durable.Handler{uses, sayHello, accounts})
	run, err := uses.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "Hello x!" {
		t.Fatalf("it came to %q, %v", got, err)
	}
	events, err := run.History(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if ev := &events[i]; ev.Kind == model.TaskScheduled && ev.Extra().Call != 1 {
			t.Errorf("the first call counts as number %d", ev.Extra().Call)
		}
	}
}

// TestFuturesOfAnotherOrchestrationAreRefused: what makes them done runs in another
// goroutine, which would resume who waits for them.
func TestFuturesOfAnotherOrchestrationAreRefused(t *testing.T) {
	var foreign *durable.Future[string]
	owns := durable.Orchestration("Owns", func(ctx *durable.Context, _ durable.None) (string, error) {
		foreign = approved.Next(ctx)
		return foreign.Await()
	})
	borrows := durable.Orchestration("Borrows", func(ctx *durable.Context, how string) (string, error) {
		switch how {
		case "first":
			_, err := durable.First(ctx, foreign, durable.Timer(ctx, ms))
			return "", err
		case "completed":
			for range durable.Completed(ctx, foreign) {
				break
			}
			return "", nil
		}
		return foreign.Await()
	})
	hub := open(t, []durable.Handler{owns, borrows})
	owner, err := owns.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.WaitStarted(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"first", "completed", "await"} {
		run, err := borrows.Start(within(t), hub, how)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(within(t)); !errors.Is(err, durable.ErrPanic) {
			t.Errorf("%s: %v", how, err)
		}
	}
	if err := owner.Raise(within(t), approved.Name(), "owned"); err != nil {
		t.Fatal(err)
	}
	if got, err := owner.Wait(within(t)); err != nil || got != "owned" {
		t.Errorf("the owner came to %q, %v", got, err)
	}
}
