package durable_test

import (
	"context"
	"testing"

	"github.com/netherite-go/netherite/durable"
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
