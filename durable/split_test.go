package durable_test

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/worker"
)

// TestStepThatIsSplitForItsStatusHearsOfSomethingBeforeItsRest: the event that the
// orchestration sends itself comes with the first part of the step, and the history does
// not show why there was one.
func TestStepThatIsSplitForItsStatusHearsOfSomethingBeforeItsRest(t *testing.T) {
	split := durable.Orchestration("Split", func(ctx *durable.Context, _ durable.None) (string, error) {
		if err := ctx.SetStatus(strings.Repeat("s", 600)); err != nil {
			return "", err
		}
		if err := approved.Send(ctx, ctx.ID(), "by itself"); err != nil {
			return "", err
		}
		greeting := sayHello.Call(ctx, strings.Repeat("n", 300))
		by, err := approved.Wait(ctx, durable.Forever)
		if err != nil {
			return "", err
		}
		_, err = greeting.Await()
		return by, err
	})
	hub := open(t, []durable.Handler{split, sayHello}, evicting, func(o *worker.Options) { o.MaxStepBytes = 1000 })
	run, err := split.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if by, err := run.Wait(within(t)); err != nil || by != "by itself" {
		t.Errorf("it came to %q, %v", by, err)
	}
}
