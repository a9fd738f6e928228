package durable_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/durable"
)

// salted is an input that is encoded in another way each time, as after a deployment of
// a type with one more field, or after a change of the key that encrypts it.
type salted string

var salt atomic.Int64

func (s salted) MarshalJSON() ([]byte, error) {
	return json.Marshal(fmt.Sprint(string(s), "+", salt.Add(1)))
}

func TestAttemptsAfterAReplayHaveTheInputAndTheKeyOfTheFirst(t *testing.T) {
	var inputs, keys []string
	fails := durable.Activity("FailsTwice", func(ctx context.Context, in string) (string, error) {
		inputs, keys = append(inputs, in), append(keys, durable.IdempotencyKey(ctx))
		if durable.Attempt(ctx) < 3 {
			return "", errFlaky
		}
		return "", nil
	})
	call := durable.DeclareActivity[salted, string](fails.Name())
	retries := durable.Orchestration("RetriesSalted", func(ctx *durable.Context, _ durable.None) (string, error) {
		return call.Call(ctx, "x", durable.Retry{Attempts: 3, First: ms}).Await()
	})
	hub := open(t, []durable.Handler{fails, retries}, evicting)
	run, err := retries.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if inputs[i] != inputs[0] || keys[i] != keys[0] {
			t.Errorf("attempt %d has input %s and key %s, the first %s and %s", i+1, inputs[i], keys[i], inputs[0], keys[0])
		}
	}
}

func TestAttemptsOfAChildAfterAReplayHaveTheInputOfTheFirst(t *testing.T) {
	var inputs []string
	child := durable.DeclareOrchestration[string, string]("FailingChild")
	call := durable.DeclareOrchestration[salted, string](child.Name())
	failing := child.By(func(_ *durable.Context, in string) (string, error) {
		inputs = append(inputs, in)
		return "", errFlaky
	})
	retries := durable.Orchestration("RetriesChild", func(ctx *durable.Context, _ durable.None) (string, error) {
		_, err := call.Call(ctx, "x", durable.Retry{Attempts: 3, First: ms}).Await()
		return fmt.Sprint(err != nil), nil
	})
	hub := open(t, []durable.Handler{failing, retries}, evicting)
	run, err := retries.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "true" {
		t.Fatal(got, err)
	}
	for i := range inputs {
		if inputs[i] != inputs[0] || len(inputs) != 3 {
			t.Errorf("the attempts have the inputs %q", inputs)
		}
	}
}

// explosive cannot be decoded.
type explosive struct{}

func (*explosive) UnmarshalJSON([]byte) error { panic("boom") }

func TestResultWhoseDecodingPanickedIsAnErrorEachTime(t *testing.T) {
	call := durable.DeclareActivity[string, explosive](sayHello.Name())
	awaits := durable.Orchestration("AwaitsTwice", func(ctx *durable.Context, _ durable.None) (string, error) {
		f := call.Call(ctx, "x")
		func() {
			defer func() { _ = recover() }()
			_, _ = f.Await()
		}()
		_, err := f.Await()
		return fmt.Sprint(errors.Is(err, durable.ErrPayload)), nil
	})
	hub := open(t, []durable.Handler{awaits, sayHello})
	run, err := awaits.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "true" {
		t.Errorf("the second time it is an error: %s, %v", got, err)
	}
}
