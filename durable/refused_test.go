package durable_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// foreign is a Lockable that is no entity.
type foreign string

func (f foreign) InstanceID() string { return string(f) }

// A refusal is something that is asked for, and what the error says.
type refusal struct {
	want string
	ask  func(*durable.Context) error
}

func refusedCall(want string, opts ...durable.ActivityOption) refusal {
	return refusal{want, func(ctx *durable.Context) error {
		_, err := flaky.Call(ctx, "x", opts...).Await()
		return err
	}}
}

func refusedChild(want string, opts ...durable.ChildOption) refusal {
	return refusal{want, func(ctx *durable.Context) error {
		_, err := durable.DeclareOrchestration[int, int]("Child").Call(ctx, 1, opts...).Await()
		return err
	}}
}

func refusedLock(want string, keys ...durable.Lockable) refusal {
	return refusal{want, func(ctx *durable.Context) error {
		_, err := durable.Lock(ctx, keys...)
		return err
	}}
}

// checkRefusals has an orchestration ask for each, and go on.
func checkRefusals(t *testing.T, refusals []refusal) {
	t.Helper()
	asks := durable.Orchestration("Asks", func(ctx *durable.Context, _ durable.None) (got []string, _ error) {
		for _, r := range refusals {
			if err := r.ask(ctx); err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, "taken")
			}
		}
		return got, durable.Sleep(ctx, time.Millisecond)
	})
	code := flaky.By(func(context.Context, string) (int, error) { return 1, nil })
	bothWays(t, []durable.Handler{asks, code}, func(t *testing.T, hub *testHub) {
		ctx, cancel := context.WithTimeout(within(t), 5*time.Second)
		defer cancel()
		run, err := asks.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(ctx)
		if err != nil || len(got) != len(refusals) {
			t.Fatalf("%q, %v", got, err)
		}
		for i, r := range refusals {
			if !strings.Contains(got[i], r.want) {
				t.Errorf("%q, want %q", got[i], r.want)
			}
		}
	})
}

// checkStarts has a client start with options that Start must refuse.
func checkStarts(t *testing.T, want string, opts ...durable.StartOption) {
	t.Helper()
	hub := open(t, nil)
	_, err := durable.DeclareOrchestration[int, int]("O").Start(within(t), hub, 1, opts...)
	if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("start: %v, want %q", err, want)
	}
}

// The reserved tag would make a parent wait for an answer that never comes.
func TestReservedTagIsRefused(t *testing.T) {
	reserved := durable.Tags{model.FireAndForget: ""}
	const want = `tag "FireAndForget" is reserved`
	checkRefusals(t, []refusal{
		refusedCall(want, reserved),
		refusedChild(want, reserved),
		{want, func(ctx *durable.Context) error {
			_, err := durable.DeclareOrchestration[int, int]("Child").Detach(ctx, 1, reserved)
			return err
		}},
	})
	checkStarts(t, want, reserved)
}

func TestNegativeBoundsAreRefused(t *testing.T) {
	checkRefusals(t, []refusal{
		refusedCall("Retry.Attempts is -1", durable.Retry{Attempts: -1}),
		refusedCall("Retry.Factor is -2", durable.Retry{Factor: -2}),
		refusedCall("Retry.Factor is NaN", durable.Retry{Factor: math.NaN()}),
		refusedCall("Retry.Max is -1s", durable.Retry{Max: -time.Second}),
		refusedCall("Retry.Within is -1s", durable.Retry{Within: -time.Second}),
		refusedCall("Timeout of -1ns", durable.Timeout(-1)),
		refusedChild("Retry.Attempts is -1", durable.Retry{Attempts: -1}),
	})
	checkStarts(t, "IfExists(9)", durable.IfExists(9), durable.ID("free"))
}

func TestNilOptionsAreRefused(t *testing.T) {
	checkRefusals(t, []refusal{
		refusedCall("option 2 of 2 is nil", durable.Timeout(0), nil),
		refusedChild("option 1 of 1 is nil", nil),
		refusedLock("entity 1 of 1 is nil", nil),
		{"option 1 of 1 is nil", func(ctx *durable.Context) error {
			return add.Signal(ctx, accounts.Key("a"), 1, nil)
		}},
		{"default options: invalid request: option 1 of 1 is nil", func(ctx *durable.Context) error {
			_, err := durable.DeclareActivity[int, int]("Flaky", nil).Call(ctx, 1).Await()
			return err
		}},
	})
	checkStarts(t, "option 2 of 2 is nil", durable.ID("free"), nil)
	hub, ctx := open(t, nil), within(t)
	for what, err := range map[string]error{
		"post":  add.Post(ctx, hub, accounts.Key("a"), 1, nil),
		"raise": durable.Event[int]("E").Raise(ctx, hub, "x", 1, nil),
	} {
		if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "option 1 of 1 is nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNilHandlesAndCodeOptionsCannotBeServed(t *testing.T) {
	for what, h := range map[string]durable.Handler{
		"orchestration": (*durable.OrchestrationOf[int, int])(nil),
		"activity":      (*durable.ActivityOf[int, int])(nil),
		"entity":        (*durable.EntityOf[int])(nil),
		"By option":     flaky.By(func(context.Context, string) (int, error) { return 1, nil }, nil),
		"By option 2":   durable.DeclareOrchestration[int, int]("O").By(func(*durable.Context, int) (int, error) { return 1, nil }, nil),
		"entity option": durable.Entity[int]("E", nil),
	} {
		if _, err := openIn(newMemory(), true, []durable.Handler{h}); err == nil || !strings.Contains(err.Error(), "nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What the engine would fail the whole orchestration for is the call's error.
func TestCallBeyondALimitFailsAlone(t *testing.T) {
	long := strings.Repeat("n", 201)
	many := make([]durable.Lockable, 1001)
	for i := range many {
		many[i] = accounts.Key(strings.Repeat("k", i%200) + string(rune('a'+i/200)))
	}
	named := func(name string) func(*durable.Context) error {
		return func(ctx *durable.Context) error {
			_, err := durable.DeclareActivity[int, int](name).Call(ctx, 1).Await()
			return err
		}
	}
	operation := func(key durable.Key[account], name string) func(*durable.Context) error {
		return func(ctx *durable.Context) error {
			_, err := durable.DeclareOperation[int, int](accounts, name).Call(ctx, key, 1).Await()
			return err
		}
	}
	var none durable.Key[account]
	tags := durable.Tags{"t": strings.Repeat("v", model.MaxTagBytes-1)}
	checkRefusals(t, []refusal{
		{"activity name is empty", named("")},
		{"201 bytes", named(long)},
		refusedCall("201 bytes", durable.Version(long)),
		refusedCall("tags have 8200 bytes", durable.Tags{"t": strings.Repeat("v", 8199)}),
		{"it is empty", operation(none, "Post")},
		{"operation name is empty", operation(accounts.Key("a"), "")},
		{"201 bytes", operation(accounts.Key("a"), long)},
		refusedLock("at most 1000", many...),
		refusedLock("it is empty", none),
		refusedLock(`"order-7": an entity's is @type@key`, foreign("order-7")),
		refusedLock(`"@order": an entity's is @type@key`, foreign("@order")),
		{"bytes, at most 8192", func(ctx *durable.Context) error {
			_, err := durable.DeclareOrchestration[int, int]("Child").Detach(ctx, 1, tags) // no room for the mark
			return err
		}},
	})
}
