package durable_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// unwound counts what deferred functions see, across evictions.
type unwound struct{ unwinding, inert, swallowed, real atomic.Int64 }

// everything uses every kind of step, with defers and recovers that unwinding
// must not be disturbed by.
func everything(u *unwound) durable.Handler {
	return durable.Orchestration("Everything", func(ctx *durable.Context, n int) (out []string, err error) {
		defer func() {
			if r := recover(); r != nil {
				u.swallowed.Add(1)
			}
			if !ctx.Unwinding() {
				u.real.Add(1)
				return
			}
			u.unwinding.Add(1)
			if _, err := sayHello.Call(ctx, "nobody").Await(); errors.Is(err, durable.ErrUnwinding) {
				u.inert.Add(1)
			}
			if err := add.Signal(ctx, accounts.Key("nobody"), 1); err != nil {
				panic(err)
			}
			panic("in a deferred function")
		}()
		note := func(s string) { out = append(out, s) }
		note(ctx.NewGUID()[14:15])
		if err := ctx.SetStatus(n); err != nil {
			return nil, err
		}
		unlock, err := durable.Lock(ctx, accounts.Key("x"), accounts.Key("y"))
		if err != nil {
			return nil, err
		}
		defer unlock()
		for i := range n {
			v, err := add.Call(ctx, accounts.Key("x"), i).Await()
			if err != nil {
				return nil, err
			}
			note(fmt.Sprint(v))
		}
		unlock()
		f := durable.Go(ctx, func(ctx *durable.Context) (string, error) {
			defer func() { _ = recover() }()
			if err := durable.Sleep(ctx, time.Millisecond); err != nil {
				return "", err
			}
			return sayHello.Call(ctx, "branch").Await()
		})
		s, err := approved.Wait(ctx, time.Minute)
		if err != nil {
			return nil, err
		}
		note(s)
		s, err = f.Await()
		note(s)
		if ctx.Patched("second greeting") {
			s, err = sayHello.Call(ctx, "patched").Await()
			note(s)
		}
		return out, err
	})
}

func TestEvictionAfterEveryStepGivesTheSameHistory(t *testing.T) {
	var first string
	for name, change := range map[string]func(*worker.Options){"kept": func(*worker.Options) {}, "evicted": evicting} {
		t.Run(name, func(t *testing.T) {
			u := &unwound{}
			hub := open(t, []durable.Handler{everything(u), sayHello, accounts}, change)
			ctx := within(t)
			everything := durable.DeclareOrchestration[int, []string]("Everything")
			run, err := everything.Start(ctx, hub, 3, durable.ID("same"))
			if err != nil {
				t.Fatal(err)
			}
			for { // the branch has ended
				events, err := run.History(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(events, func(ev model.Event) bool { return ev.Kind == model.TaskCompleted }) {
					break
				}
			}
			if err := run.Raise(ctx, "Approved", "go"); err != nil {
				t.Fatal(err)
			}
			got, err := run.Wait(ctx)
			if err != nil || strings.Join(got, ",") != "5,0,1,3,go,Hello branch!,Hello patched!" {
				t.Fatalf("got %q, %v", got, err)
			}
			events, err := run.History(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = shape(events)
			} else if s := shape(events); s != first {
				t.Errorf("histories differ:\n%s\n%s", first, s)
			}
			if u.real.Load() != 1 || u.swallowed.Load() != 0 || u.unwinding.Load() != u.inert.Load() || (name == "evicted") != (u.unwinding.Load() > 0) {
				t.Errorf("real %d swallowed %d unwinding %d inert %d", u.real.Load(), u.swallowed.Load(), u.unwinding.Load(), u.inert.Load())
			}
		})
	}
}

var changed = durable.DeclareOrchestration[string, string]("Changed")

// deploy runs the orchestration up to its event with old code, then goes on with
// new code, as after a deployment.
func deploy(t *testing.T, old, new func(*durable.Context, string) (string, error)) (string, []model.Event, error) {
	t.Helper()
	ctx, disk := within(t), newMemory()
	hub, err := openIn(disk, true, []durable.Handler{changed.By(old), sayHello, noted})
	if err != nil {
		t.Fatal(err)
	}
	run, err := changed.Start(ctx, hub, "in", durable.ID("c"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		inst, err := run.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if inst.Status.Ended() {
			t.Fatalf("ended before the event: %v", inst.Failure)
		}
		if len(inst.Waits.Events) == 1 {
			break
		}
	}
	hub.close(t)
	if hub, err = openIn(disk, true, []durable.Handler{changed.By(new), sayHello, noted}); err != nil {
		t.Fatal(err)
	}
	defer hub.close(t)
	run = changed.Attach(hub, "c")
	if err := approved.Raise(ctx, hub, "c", "now"); err != nil {
		t.Fatal(err)
	}
	got, err := run.Wait(ctx)
	events, herr := run.History(ctx)
	if herr != nil {
		t.Fatal(herr)
	}
	return got, events, err
}

func before(ctx *durable.Context, in string) (string, error) {
	if _, err := sayHello.Call(ctx, in).Await(); err != nil {
		return "", err
	}
	return approved.Wait(ctx, durable.Forever)
}

func TestDivergingCodeFailsWithWhatWasExpected(t *testing.T) {
	for name, tt := range map[string]struct {
		code func(*durable.Context, string) (string, error)
		want []string
	}{
		"another name": {func(ctx *durable.Context, in string) (string, error) {
			_, err := double.Call(ctx, 1).Await()
			return in, err
		}, []string{`history has TaskScheduled #0 "SayHello"`, `asked for TaskScheduled #0 "Double"`, "replay_test.go:"}},
		"another kind": {func(ctx *durable.Context, in string) (string, error) {
			return in, durable.Sleep(ctx, 1)
		}, []string{`history has TaskScheduled`, `asked for TimerCreated #0`, "replay_test.go:"}},
		"more": {func(ctx *durable.Context, in string) (string, error) {
			f := sayHello.Call(ctx, in)
			sayHello.Call(ctx, "more")
			_, err := f.Await()
			if err != nil {
				return "", err
			}
			return approved.Wait(ctx, durable.Forever)
		}, []string{`history ends before TaskScheduled #1 "SayHello"`, "replay_test.go:"}},
		"less": {func(ctx *durable.Context, _ string) (string, error) {
			return approved.Wait(ctx, durable.Forever)
		}, []string{`history has TaskScheduled #0 "SayHello", which the code did not ask for`}},
		"ends early": {func(ctx *durable.Context, in string) (string, error) {
			return in, nil
		}, []string{`asked for ExecutionCompleted`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := deploy(t, before, tt.code)
			if !errors.Is(err, durable.ErrNonDeterminism) {
				t.Fatalf("error %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks %q: %v", w, err)
				}
			}
		})
	}
}

func TestPatchSparesExecutionsFromBefore(t *testing.T) {
	patched := func(ctx *durable.Context, in string) (string, error) {
		if ctx.Patched("no greeting") {
			return approved.Wait(ctx, durable.Forever)
		}
		got, err := before(ctx, in)
		if ctx.Patched("no greeting") {
			return "changed its mind", err
		}
		if ctx.Patched("later") {
			got += " patched"
		}
		return got, err
	}
	if got, _, err := deploy(t, before, patched); err != nil || got != "now patched" {
		t.Errorf("started before: %q %v", got, err)
	}
	got, events, err := deploy(t, patched, patched)
	if err != nil || got != "now" {
		t.Errorf("started after: %q %v", got, err)
	}
	if !slices.ContainsFunc(events, func(ev model.Event) bool { return ev.Kind == model.MarkerRecorded && ev.Name == "no greeting" }) {
		t.Error("no marker in history")
	}
	cleaned := func(ctx *durable.Context, _ string) (string, error) {
		got, err := approved.Wait(ctx, durable.Forever)
		if err != nil {
			return "", err
		}
		return noted.Call(ctx, got).Await()
	}
	if got, _, err := deploy(t, patched, cleaned); err != nil || got != "noted now" {
		t.Errorf("patch removed: %q %v", got, err)
	}
}

func TestVersionsSelectTheirCode(t *testing.T) {
	say := func(s string) func(*durable.Context, string) (string, error) {
		return func(ctx *durable.Context, _ string) (string, error) { return s + ctx.Version(), nil }
	}
	hub := open(t, []durable.Handler{changed.By(say("any ")), changed.By(say("two "), durable.Version("2"))})
	ctx := within(t)
	for version, want := range map[durable.Version]string{"": "any ", "1": "any 1", "2": "two 2"} {
		run, err := changed.Start(ctx, hub, "", version)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != want {
			t.Errorf("version %q: %q %v", version, got, err)
		}
	}
}

func TestForeignGoroutineIsRefusedWithASentence(t *testing.T) {
	panics := make(chan any, 2)
	try := func(f func()) {
		defer func() { panics <- recover() }()
		f()
	}
	var leaked *durable.Context
	foreign := durable.Orchestration("Foreign", func(ctx *durable.Context, _ durable.None) (string, error) {
		leaked = ctx
		done := make(chan struct{})
		go func() {
			defer close(done)
			try(func() { sayHello.Call(ctx, "x") })
		}()
		<-done
		return "fine", nil
	})
	hub := open(t, []durable.Handler{foreign})
	ctx := within(t)
	run, err := foreign.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "fine" {
		t.Fatal(got, err)
	}
	try(func() { _ = durable.Sleep(leaked, time.Hour) })
	for range 2 {
		if s := fmt.Sprint(<-panics); !strings.Contains(s, `"Foreign"`) || !strings.Contains(s, "another goroutine") {
			t.Errorf("panic %q", s)
		}
	}
}

func TestGoexitInAnOrchestrationFailsOnlyThat(t *testing.T) {
	exits := durable.Orchestration("Exits", func(ctx *durable.Context, where string) (string, error) {
		if where == "at once" {
			runtime.Goexit()
		}
		if _, err := sayHello.Call(ctx, "x").Await(); err != nil {
			return "", err
		}
		f := durable.Go(ctx, func(*durable.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
		_, err := f.Await()
		return "", err
	})
	bothWays(t, []durable.Handler{exits, sayHello, hello5}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		for range 10 {
			for _, where := range []string{"at once", "later"} {
				run, err := exits.Start(ctx, hub, where)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := run.Wait(ctx); !errors.Is(err, durable.ErrPanic) {
					t.Fatalf("%s: %v", where, err)
				}
			}
		}
		run, err := hello5.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPayloadsAreBounded(t *testing.T) {
	big := durable.Orchestration("Big", func(ctx *durable.Context, n int) (string, error) {
		if n < 0 {
			return strings.Repeat("x", -n), nil
		}
		_, err := sayHello.Call(ctx, strings.Repeat("x", n)).Await()
		if errors.Is(err, durable.ErrPayloadTooLarge) {
			return "refused", nil
		}
		return "", err
	})
	hub := open(t, []durable.Handler{big, sayHello}, func(o *worker.Options) { o.PayloadLimit = 1000 })
	ctx := within(t)
	run, err := big.Start(ctx, hub, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "refused" {
		t.Errorf("%q %v", got, err)
	}
	if run, err = big.Start(ctx, hub, -1000); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, durable.ErrPayloadTooLarge) {
		t.Error(err)
	}
	if _, err := changed.Start(ctx, hub, strings.Repeat("x", 1000)); !errors.Is(err, durable.ErrPayloadTooLarge) || !errors.Is(err, engine.ErrTooLarge) {
		t.Error(err)
	}
}

func TestRewindRunsAgainWhatFailed(t *testing.T) {
	var broken atomic.Bool
	var ran atomic.Int64
	work := durable.Activity("Work", func(_ context.Context, s string) (string, error) {
		ran.Add(1)
		if broken.Load() && s != "fine" {
			return "", errFlaky
		}
		return s, nil
	})
	child := durable.Orchestration("Child", func(ctx *durable.Context, s string) (string, error) { return work.Call(ctx, s).Await() })
	parent := durable.Orchestration("Parent", func(ctx *durable.Context, how string) (string, error) {
		a := work.Call(ctx, "fine")
		var f *durable.Future[string]
		switch how {
		case "activity":
			f = work.Call(ctx, "one")
		case "retry":
			f = work.Call(ctx, "one", durable.Retry{Attempts: 3, First: ms})
		case "child":
			f = child.Call(ctx, "one")
		case "handled":
			if _, err := work.Call(ctx, "handled").Await(); err != nil {
				if _, err := work.Call(ctx, "fine").Await(); err != nil {
					return "", err
				}
			}
			f = work.Call(ctx, "one")
		}
		return strings.Repeat("ok", 1), durable.WaitAll(ctx, a, f)
	})
	for _, how := range []string{"activity", "retry", "child", "handled"} {
		t.Run(how, func(t *testing.T) {
			broken.Store(true)
			hub := open(t, []durable.Handler{work, child, parent})
			ctx := within(t)
			run, err := parent.Start(ctx, hub, how)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(ctx); !errors.Is(err, errFlaky) {
				t.Fatal(err)
			}
			broken.Store(false)
			ran.Store(0)
			if err := run.Rewind(ctx, "mended"); err != nil {
				t.Fatal(err)
			}
			got, err := run.Wait(ctx)
			if err != nil || got != "ok" || ran.Load() != 1 {
				t.Fatalf("%q %v, ran %d", got, err, ran.Load())
			}
			if err := run.Rewind(ctx, "again"); !errors.Is(err, engine.ErrNotFailed) {
				t.Error(err)
			}
		})
	}
}
