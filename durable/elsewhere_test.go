package durable_test

import (
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
