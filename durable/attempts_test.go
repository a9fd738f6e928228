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

// TestAttemptsAfterAReplayGoToTheVersionOfTheFirst: the input is of that version, too.
func TestAttemptsAfterAReplayGoToTheVersionOfTheFirst(t *testing.T) {
	var got []string
	pays := durable.DeclareActivity[string, string]("Pays")
	by := func(version string) durable.Handler {
		return pays.By(func(_ context.Context, in string) (string, error) {
			got = append(got, version+" "+in)
			return "", errFlaky
		}, durable.Version(version))
	}
	child := durable.DeclareOrchestration[string, string]("PaysBelow")
	childBy := func(version string) durable.Handler {
		return child.By(func(_ *durable.Context, in string) (string, error) {
			got = append(got, version+" "+in)
			return "", errFlaky
		}, durable.Version(version))
	}
	call := durable.DeclareActivity[salted, string](pays.Name())
	callChild := durable.DeclareOrchestration[salted, string](child.Name())
	for name, attempts := range map[string]func(*durable.Context, durable.Version) error{
		"activity": func(ctx *durable.Context, v durable.Version) error {
			return durable.WaitAll(ctx, call.Call(ctx, "x", v, durable.Retry{Attempts: 3, First: ms}))
		},
		"child": func(ctx *durable.Context, v durable.Version) error {
			return durable.WaitAll(ctx, callChild.Call(ctx, "x", v, durable.Retry{Attempts: 3, First: ms}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got = nil
			runs := 0
			retries := durable.Orchestration("RetriesVersion", func(ctx *durable.Context, _ durable.None) (string, error) {
				runs++ // each is of code that was deployed after the one before
				return "", attempts(ctx, durable.Version(fmt.Sprint(min(runs, 2))))
			})
			hub := open(t, []durable.Handler{by("1"), by("2"), childBy("1"), childBy("2"), retries}, evicting)
			run, err := retries.Start(within(t), hub, durable.None{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(within(t)); !errors.Is(err, errFlaky) {
				t.Fatal(err)
			}
			if len(got) != 3 || got[0] != got[1] || got[0] != got[2] || got[0][0] != '1' {
				t.Errorf("the attempts are of version and input %q", got)
			}
		})
	}
}

// TestCallThatIsEncodedAsAnEarlierOneWasHasAKeyOfItsOwn: that one has been encoded in
// another way since.
func TestCallThatIsEncodedAsAnEarlierOneWasHasAKeyOfItsOwn(t *testing.T) {
	var inputs, keys []string
	pays := durable.Activity("PaysKeyed", func(ctx context.Context, in string) (string, error) {
		inputs, keys = append(inputs, in), append(keys, durable.IdempotencyKey(ctx))
		return in, nil
	})
	runs := 0
	calls := durable.Orchestration("CallsKeyed", func(ctx *durable.Context, _ durable.None) (string, error) {
		runs++ // the first is of code that a deployment replaces
		in := []string{"five", "one", "five"}
		if runs > 1 {
			in = []string{"5", "five", "five"}
		}
		for i := range in {
			ctx.Patched(fmt.Sprint("patch ", i)) // what the history has of it is passed before
			if _, err := pays.Call(ctx, in[i]).Await(); err != nil {
				return "", err
			}
		}
		return "", nil
	})
	hub := open(t, []durable.Handler{pays, calls}, evicting)
	run, err := calls.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(inputs) != "[five five five]" || keys[0] == keys[1] || keys[0] == keys[2] || keys[1] == keys[2] {
		t.Errorf("calls with the inputs %q have the keys %q", inputs, keys)
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
		var failed *durable.TaskError
		if !errors.As(err, &failed) {
			return fmt.Sprintf("a %T", err), nil
		}
		return fmt.Sprint(errors.Is(err, durable.ErrPayload), " ", failed.NonRetriable, " ", failed.Task), nil
	})
	hub := open(t, []durable.Handler{awaits, sayHello})
	run, err := awaits.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(within(t)); err != nil || got != "true true activity "+sayHello.Name() {
		t.Errorf("the second time it is an error: %s, %v", got, err)
	}
}
