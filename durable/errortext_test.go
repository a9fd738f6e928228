package durable_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// An error names each thing once: what was tried, with what, and why it failed.
func TestErrorsOfRequestsDoNotRepeatThemselves(t *testing.T) {
	hub, ctx := open(t, nil), within(t)
	o := durable.DeclareOrchestration[int, int]("O")
	gone := o.Attach(hub, "gone")
	_, wait := gone.Wait(ctx)
	_, waitStarted := gone.WaitStarted(ctx)
	_, status := gone.Status(ctx)
	_, history := gone.History(ctx)
	_, purge := gone.Purge(ctx, false)
	if _, err := o.Start(ctx, hub, 1, durable.ID("taken")); err != nil {
		t.Fatal(err)
	}
	_, taken := o.Start(ctx, hub, 1, durable.ID("taken"))
	_, badID := o.Start(ctx, hub, 1, durable.ID("a/b"))
	for _, tt := range []struct {
		err  error
		want string
	}{
		{wait, `wait for "gone": instance not found`},
		{waitStarted, `wait for "gone": instance not found`},
		{status, `get "gone": instance not found`},
		{history, `read history of "gone": instance not found`},
		{purge, `purge "gone": instance not found`},
		{gone.Suspend(ctx, ""), `suspend "gone": instance not found`},
		{gone.Resume(ctx, ""), `resume "gone": instance not found`},
		{gone.Rewind(ctx, ""), `rewind "gone": instance not found`},
		{gone.Terminate(ctx, "", false), `terminate "gone": instance not found`},
		{gone.Raise(ctx, "E", 1), `event E: raise event for "gone": instance not found`},
		{taken, `orchestration O: start "taken": instance already exists`},
		{badID, `start orchestration O: invalid instance ID "a/b": contains '/' (printable characters except / \ # ? are allowed)`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("%v, want %s", tt.err, tt.want)
		}
	}
	if !errors.Is(badID, durable.ErrInvalidInstanceID) {
		t.Errorf("not ErrInvalidInstanceID: %v", badID)
	}
}

func TestFailureDoesNotRepeatItsType(t *testing.T) {
	err := durable.NewError("declined")
	var got []string
	asks := durable.Orchestration("Asks", func(ctx *durable.Context, _ durable.None) ([]string, error) {
		_, bad := durable.DeclareOrchestration[int, int]("O").Call(ctx, 1, durable.ID("@a@b")).Await()
		_, failed := flaky.Call(ctx, "x").Await()
		return []string{bad.Error(), failed.Error()}, nil
	})
	declines := flaky.By(func(context.Context, string) (int, error) { return 0, errors.Join(err) })
	hub, ctx := open(t, []durable.Handler{asks, declines}), within(t)
	run, startErr := asks.Start(ctx, hub, durable.None{})
	if startErr != nil {
		t.Fatal(startErr)
	}
	got, startErr = run.Wait(ctx)
	if want := `orchestration O: InvalidInstanceID: invalid instance ID "@a@b": it is an entity's|activity Flaky: declined`; startErr != nil || strings.Join(got, "|") != want {
		t.Errorf("%q, %v, want %s", got, startErr, want)
	}
}

// Nothing was sent, so nothing is unknown.
func TestStartWithAnEndedContextSaysThatNothingWasSent(t *testing.T) {
	hub := open(t, nil)
	ctx, cancel := context.WithCancelCause(within(t))
	tired := errors.New("tired of it")
	cancel(tired)
	_, err := durable.DeclareOrchestration[int, int]("O").Start(ctx, hub, 1, durable.ID("o"))
	if !errors.Is(err, tired) || !strings.Contains(err.Error(), "nothing was sent") || strings.Contains(err.Error(), "unknown") {
		t.Errorf("%v", err)
	}
	if _, err := hub.Engine().Get(within(t), "o", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("it was sent: %v", err)
	}
}
