package bench

import (
	"context"
	"fmt"

	"github.com/netherite-go/netherite/durable"
)

// The simplest workloads: a few activities one after the other.

var (
	sayHello = durable.Activity("SayHello", func(_ context.Context, city string) (string, error) {
		return "Hello " + city + "!", nil
	})
	// A negative number fails: preloaded hubs hold some that did.
	hello5 = durable.Orchestration("Hello5", func(ctx *durable.Context, n int) ([]string, error) {
		if n < 0 {
			return nil, errNobody
		}
		greetings := make([]string, 0, len(cities))
		for _, city := range cities {
			g, err := sayHello.Call(ctx, city).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, g)
		}
		return greetings, nil
	})
	step = durable.Activity("Step", func(_ context.Context, text string) (string, error) {
		return text + "+", nil
	})
	sequence10 = durable.Orchestration("Sequence", func(ctx *durable.Context, text string) (string, error) {
		for range sequenceLength {
			var err error
			if text, err = step.Call(ctx, text).Await(); err != nil {
				return "", err
			}
		}
		return text, nil
	})
)

var errNobody = durable.NewError("nobody-to-greet")

var cities = []string{"Tokyo", "Seattle", "London", "Amsterdam", "Seoul"}

const sequenceLength = 10

// hello is Hello5: five sequential activities that greet a city each.
type hello struct{ none }

func (*hello) handlers() []durable.Handler { return []durable.Handler{sayHello, hello5} }

func (*hello) op(ctx context.Context, e *env, _, n int) (int64, error) {
	run, err := hello5.Start(ctx, e.hub, n)
	if err != nil {
		return 0, err
	}
	got, err := run.Wait(ctx)
	if err != nil {
		return 0, err
	}
	e.samples.add(run.ID())
	if len(got) != len(cities) {
		return 0, fmt.Errorf("hello5: %d greetings, expected %d", len(got), len(cities))
	}
	for i, city := range cities {
		if want := "Hello " + city + "!"; got[i] != want {
			return 0, fmt.Errorf("hello5: greeting %d is %q, expected %q", i, got[i], want)
		}
	}
	return 1, nil
}

// sequence is ten activities, each of which gets the result of the one before.
type sequence struct{ none }

func (*sequence) handlers() []durable.Handler { return []durable.Handler{step, sequence10} }

func (*sequence) op(ctx context.Context, e *env, _, n int) (int64, error) {
	run, err := sequence10.Start(ctx, e.hub, fmt.Sprint(n))
	if err != nil {
		return 0, err
	}
	got, err := run.Wait(ctx)
	if err != nil {
		return 0, err
	}
	e.samples.add(run.ID())
	if want := fmt.Sprint(n) + "++++++++++"; got != want {
		return 0, fmt.Errorf("sequence: result %q, expected %q", got, want)
	}
	return 1, nil
}
