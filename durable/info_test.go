package durable_test

import (
	"context"
	"errors"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestTagsThatAnActivityGetsAreItsOwn(t *testing.T) {
	var seen []string
	tagged := durable.Activity("Tagged", func(ctx context.Context, _ durable.None) (durable.None, error) {
		info, _ := durable.Info(ctx)
		seen = append(seen, info.Tags["color"])
		info.Tags["color"] = "blue"
		if info.Attempt == 1 {
			return durable.None{}, errFlaky
		}
		return durable.None{}, nil
	})
	paints := durable.Orchestration("Paints", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		return tagged.Call(ctx, durable.None{}, durable.Tags{"color": "red"}, durable.Retry{Attempts: 2, First: ms}).Await()
	})
	hub := open(t, []durable.Handler{tagged, paints})
	ctx := within(t)
	run, err := paints.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[1] != "red" {
		t.Errorf("the attempts saw %q", seen)
	}
	events, err := run.History(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if color, ok := events[i].Extra().Tags["color"]; ok && color != "red" {
			t.Errorf("event %d of the history says %s", i, color)
		}
	}
}

func TestTraceThatAnActivityIsToldIsItsOwn(t *testing.T) {
	const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var seen []string
	traced := durable.Activity("Traced", func(ctx context.Context, _ durable.None) (durable.None, error) {
		info, _ := durable.Info(ctx)
		seen = append(seen, info.Trace.Parent)
		info.Trace.Parent = "another"
		if info.Attempt == 1 {
			return durable.None{}, errFlaky
		}
		return durable.None{}, nil
	})
	traces := durable.Orchestration("Traces", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		return traced.Call(ctx, durable.None{}, durable.Retry{Attempts: 2, First: ms}).Await()
	})
	hub := open(t, []durable.Handler{traced, traces})
	ctx := within(t)
	_, err := hub.Engine().Start(ctx, engine.StartRequest{Instance: "traced", Name: traces.Name(), Trace: &model.Trace{Parent: header}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := traces.Attach(hub, "traced").Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[1] != header {
		t.Errorf("the attempts saw %q", seen)
	}
}

func TestParentThatAnOrchestrationIsToldIsItsOwn(t *testing.T) {
	child := durable.Orchestration("Child", func(ctx *durable.Context, _ durable.None) (string, error) {
		was := ctx.Parent().Instance
		ctx.Parent().Instance = "nobody"
		return was + " " + ctx.Parent().Instance, durable.Sleep(ctx, ms)
	})
	parent := durable.Orchestration("Parent", func(ctx *durable.Context, _ durable.None) (string, error) {
		return child.Call(ctx, durable.None{}).Await()
	})
	hub := open(t, []durable.Handler{parent, child})
	run, err := parent.Start(within(t), hub, durable.None{}, durable.ID("p"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "p p" {
		t.Errorf("the child saw %q, %v", got, err)
	}
}

func TestPropertiesOfAFailureAreTheCodesOwn(t *testing.T) {
	var failure *durable.TaskError
	fails := durable.Activity("Fails", func(context.Context, durable.None) (durable.None, error) {
		return durable.None{}, errFlaky.With("reason", "tired")
	})
	catches := durable.Orchestration("Catches", func(ctx *durable.Context, _ durable.None) (string, error) {
		_, err := fails.Call(ctx, durable.None{}).Await()
		if errors.As(err, &failure) {
			copy(failure.Properties["reason"], `"awake"`)
		}
		return string(failure.Properties["reason"]), nil
	})
	hub := open(t, []durable.Handler{fails, catches})
	run, err := catches.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != `"awake"` {
		t.Errorf("the code has %s, %v", got, err)
	}
	events, err := run.History(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if f := events[i].Failure; f != nil && string(f.Properties["reason"]) != `"tired"` {
			t.Errorf("event %d of the history says %s", i, f.Properties["reason"])
		}
	}
	kept := durable.FailureOf(failure)
	copy(failure.Properties["reason"], `"tired"`)
	if string(kept.Properties["reason"]) != `"awake"` {
		t.Errorf("what was made of it says %s", kept.Properties["reason"])
	}
}
