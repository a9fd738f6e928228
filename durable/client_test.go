package durable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var waiting = durable.Orchestration("Waiting", func(ctx *durable.Context, s string) (string, error) {
	if err := ctx.SetStatus("waiting with " + s); err != nil {
		return "", err
	}
	return approved.Wait(ctx, durable.Forever)
})

func TestClientControlsAnInstance(t *testing.T) {
	hub := open(t, []durable.Handler{waiting})
	ctx := within(t)
	run, err := waiting.Start(ctx, hub, "x", durable.ID("w"), durable.Tags{"color": "red"}, durable.Version("7"))
	if err != nil {
		t.Fatal(err)
	}
	if run.ID() != "w" || run.Execution().IsZero() || run.Attached() {
		t.Errorf("%+v", run)
	}
	if _, err := run.WaitStarted(ctx); err != nil {
		t.Fatal(err)
	}
	inst, err := run.Status(ctx)
	for err == nil && len(inst.Waits.Events) == 0 {
		inst, err = run.Status(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := durable.Decode[string](hub, inst.CustomStatus); s != "waiting with x" || err != nil || inst.Tags["color"] != "red" || inst.Version != "7" {
		t.Errorf("%q %v %+v", s, err, inst)
	}
	if _, err := waiting.Start(ctx, hub, "y", durable.ID("w")); !errors.Is(err, engine.ErrExists) {
		t.Errorf("start again: %v", err)
	}
	if again, err := waiting.Start(ctx, hub, "y", durable.ID("w"), durable.IfExists(durable.Attach)); err != nil || !again.Attached() || again.Execution() != run.Execution() {
		t.Errorf("attach: %+v %v", again, err)
	}
	if err := errors.Join(run.Suspend(ctx, "hold"), approved.Raise(ctx, hub, "w", "held")); err != nil {
		t.Fatal(err)
	}
	if inst, err := run.Status(ctx); err != nil || inst.Status != model.Suspended {
		t.Errorf("%v %v", inst.Status, err)
	}
	if err := run.Resume(ctx, "go"); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "held" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := waiting.Start(ctx, hub, "y", durable.ID("w"), durable.Fail); !errors.Is(err, engine.ErrExists) {
		t.Errorf("start again: %v", err)
	}
	if _, err := run.Restart(ctx, durable.ID("")); !errors.Is(err, durable.ErrInvalidInstanceID) {
		t.Errorf("restarted under no ID: %v", err)
	}
	restarted, err := run.Restart(ctx, durable.ID("w"))
	if err != nil || restarted.Execution() == run.Execution() {
		t.Fatalf("%+v %v", restarted, err)
	}
	if err := restarted.Terminate(ctx, "not wanted, señor", false); err != nil {
		t.Fatal(err)
	}
	if _, err := restarted.Wait(ctx); !errors.Is(err, durable.ErrTerminated) || !strings.Contains(err.Error(), "not wanted, señor") {
		t.Errorf("%v", err)
	}
	if n, err := run.Purge(ctx, false); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	for _, err := range []error{run.Suspend(ctx, ""), run.Rewind(ctx, ""), func() error { _, err := run.Wait(ctx); return err }()} {
		if !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
}

func TestMalformedIDsAreErrors(t *testing.T) {
	hub := open(t, []durable.Handler{waiting, accounts})
	ctx := within(t)
	for _, id := range []durable.ID{"", "@a@b", "a/b", "a\nb", durable.ID(strings.Repeat("x", 300))} {
		if _, err := waiting.Start(ctx, hub, "", id); !errors.Is(err, durable.ErrInvalidInstanceID) {
			t.Errorf("%.20q: %v", id, err)
		}
	}
	if err := add.Post(ctx, hub, accounts.Key("a#b"), 1); !errors.Is(err, durable.ErrInvalidInstanceID) {
		t.Error(err)
	}
}

func TestQueryAndPurgeGoThroughAllPages(t *testing.T) {
	hub := open(t, []durable.Handler{noted})
	ctx := within(t)
	for i := range 25 {
		run, err := noted.Start(ctx, hub, "x", durable.ID(fmt.Sprint("q-", i)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	q := engine.Query{IDPrefix: "q-1", PageSize: 3, Statuses: []model.Status{model.Completed}}
	var ids []string
	for inst, err := range durable.Query(ctx, hub, q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, inst.ID)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 11 {
		t.Errorf("found %q", ids)
	}
	if n, err := durable.Purge(ctx, hub, q); n != 11 || err != nil {
		t.Errorf("purged %d %v", n, err)
	}
	if n, err := durable.Purge(ctx, hub, engine.Query{}); n != 14 || err != nil {
		t.Errorf("purged %d %v", n, err)
	}
}

func TestRequestsOfAnActivityAreRepeatedNotDoubled(t *testing.T) {
	var hub *testHub
	posting := durable.Activity("Posting", func(ctx context.Context, _ durable.None) (durable.None, error) {
		for range 3 {
			if err := add.Post(ctx, hub, accounts.Key("p"), 1); err != nil {
				return durable.None{}, err
			}
		}
		if durable.Attempt(ctx) < 3 {
			return durable.None{}, errFlaky
		}
		return durable.None{}, nil
	})
	post := durable.Orchestration("Post", func(ctx *durable.Context, _ durable.None) (int, error) {
		if _, err := posting.Call(ctx, durable.None{}, durable.Retry{Attempts: 3, First: ms}, durable.AfterCommit).Await(); err != nil {
			return 0, err
		}
		return balance.Call(ctx, accounts.Key("p")).Await()
	})
	hub = open(t, []durable.Handler{posting, post, accounts})
	ctx := within(t)
	run, err := post.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != 3 {
		t.Errorf("%d posts took effect, %v", got, err)
	}
}

func TestTagsThatAnActivityIsToldAreItsOwn(t *testing.T) {
	work := durable.Activity("Work", func(ctx context.Context, _ durable.None) (string, error) {
		first, _ := durable.Info(ctx)
		first.Tags["a"] = "mine"
		second, _ := durable.Info(ctx)
		return second.Tags["a"], nil
	})
	o := durable.Orchestration("Tagged", func(ctx *durable.Context, _ durable.None) (string, error) {
		return work.Call(ctx, durable.None{}, durable.Tags{"a": "b"}).Await()
	})
	hub := open(t, []durable.Handler{work, o})
	ctx := within(t)
	run, err := o.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "b" {
		t.Errorf("the tag is %q after the activity has changed what it was told, %v", got, err)
	}
}

func TestDetachedOrchestrationOutlivesItsStarter(t *testing.T) {
	starter := durable.Orchestration("Starter", func(ctx *durable.Context, _ durable.None) (string, error) {
		return waiting.Detach(ctx, "detached")
	})
	bothWays(t, []durable.Handler{starter, waiting}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := starter.Start(ctx, hub, durable.None{}, durable.Tags{"inherited": "yes"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := run.Wait(ctx)
		if err != nil || !strings.HasPrefix(id, run.Execution().String()+":") {
			t.Fatalf("%q %v", id, err)
		}
		child := waiting.Attach(hub, id)
		inst, err := child.WaitStarted(ctx)
		for errors.Is(err, engine.ErrNotFound) && ctx.Err() == nil { // on its way
			inst, err = child.WaitStarted(ctx)
		}
		if err != nil || inst.Parent != nil || inst.Tags["inherited"] != "yes" || len(inst.Tags) != 1 {
			t.Errorf("%+v %v", inst, err)
		}
		if err := approved.Raise(ctx, hub, id, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := child.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestContextTellsTheSameInEveryReplay(t *testing.T) {
	var seen [][]any
	told := durable.Orchestration("Told", func(ctx *durable.Context, _ durable.None) (string, error) {
		now, guid := ctx.Now(), ctx.NewGUID()
		seen = append(seen, []any{now, guid, ctx.ID(), ctx.Name(), ctx.ExecutionID(), ctx.Parent()})
		if second := ctx.NewGUID(); second == guid || len(guid) != 36 || guid[14] != '5' {
			return "", fmt.Errorf("GUIDs %s %s", guid, second)
		}
		if err := durable.SleepUntil(ctx, now.Add(20*ms)); err != nil {
			return "", err
		}
		if ctx.Now().Before(now.Add(20 * ms)) {
			return "", errors.New("too early")
		}
		return guid, durable.Sleep(ctx, -time.Hour)
	})
	hub := open(t, []durable.Handler{told}, evicting)
	ctx := within(t)
	run, err := told.Start(ctx, hub, durable.None{}, durable.At(time.Now().Add(10*ms)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range seen {
		if fmt.Sprint(s) != fmt.Sprint(seen[0]) {
			t.Errorf("%v, first %v", s, seen[0])
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d times", len(seen))
	}
}

func TestEventsTravelBetweenOrchestrations(t *testing.T) {
	pong := durable.Event[string]("Pong")
	child := durable.Orchestration("Ponger", func(ctx *durable.Context, _ durable.None) (string, error) {
		s, err := approved.Wait(ctx, durable.Forever)
		if err != nil {
			return "", err
		}
		return s, pong.Send(ctx, ctx.Parent().Instance, s+" back")
	})
	parent := durable.Orchestration("Pinger", func(ctx *durable.Context, _ durable.None) (string, error) {
		f := child.Call(ctx, durable.None{}, durable.ID("ponger"))
		if err := approved.Send(ctx, "ponger", "there"); err != nil {
			return "", err
		}
		back, _, err := durable.All2(ctx, pong.Next(ctx), f)
		return back, err
	})
	bothWays(t, []durable.Handler{child, parent}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := parent.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "there back" {
			t.Errorf("%q %v", got, err)
		}
	})
}

func TestCancelledActivityIsNotAwaited(t *testing.T) {
	ended := make(chan error, 1)
	began := make(chan struct{})
	long := durable.Activity("Long", func(ctx context.Context, _ durable.None) (durable.None, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return durable.None{}, ctx.Err()
	})
	canceling := durable.Orchestration("Canceling", func(ctx *durable.Context, _ durable.None) (string, error) {
		f := long.Call(ctx, durable.None{})
		if _, err := approved.Wait(ctx, durable.Forever); err != nil {
			return "", err
		}
		f.Cancel()
		if _, err := f.Await(); !errors.Is(err, durable.ErrCanceled) {
			return "", err
		}
		return approved.Wait(ctx, durable.Forever)
	})
	hub := open(t, []durable.Handler{long, canceling}, evicting)
	ctx := within(t)
	run, err := canceling.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	<-began
	if err := approved.Raise(ctx, hub, run.ID(), "cancel"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("the activity was not cancelled")
	}
	if err := approved.Raise(ctx, hub, run.ID(), "done"); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "done" {
		t.Errorf("%q %v", got, err)
	}
}

func TestWaitIsForTheRunThatWasStarted(t *testing.T) {
	sleeper := durable.Orchestration("Sleeper", func(ctx *durable.Context, in string) (string, error) {
		_, err := durable.Event[string]("wake").Wait(ctx, time.Hour)
		return in, err
	})
	h := open(t, []durable.Handler{sleeper})
	ctx := within(t)
	begin := func(in string) *durable.Run[string] {
		t.Helper()
		run, err := sleeper.Start(ctx, h, in, durable.ID("one"), durable.IfExists(durable.Replace))
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	first := begin("first")
	if err := first.Terminate(ctx, "enough", false); err != nil {
		t.Fatal(err)
	}
	second := begin("second")
	if _, err := first.Wait(ctx); !errors.Is(err, engine.ErrReplaced) {
		t.Errorf("wait for a run that was replaced: %v", err)
	}
	if err := second.Raise(ctx, "wake", ""); err != nil {
		t.Fatal(err)
	}
	if out, err := second.Wait(ctx); err != nil || out != "second" {
		t.Errorf("%q, %v", out, err)
	}
}
