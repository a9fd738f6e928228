package remote_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/worker"
)

var goOn2 = durable.Event[int]("GoOn2")

const testTime = 2 * time.Minute

func timely(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	t.Cleanup(cancel)
	return ctx
}

// dialed connects to a server, with all of the code unless there are options.
func dialed(t *testing.T, address string, opts ...netherite.Option) *remote.Hub {
	t.Helper()
	if opts == nil {
		opts = []netherite.Option{netherite.Serve(code()...)}
	}
	hub, err := remote.Dial(address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close(context.Background()) })
	return hub
}

// ran starts an orchestration, waits for it, and compares what it came to.
func ran[In any, Out comparable](t *testing.T, hub durable.Hub, o *durable.OrchestrationOf[In, Out], in In, want Out) {
	t.Helper()
	run, err := o.Start(timely(t), hub, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(timely(t)); err != nil || got != want {
		t.Errorf("%s came to %v, %v, want %v", o.Name(), got, err, want)
	}
}

func TestProgramsRunAgainstAServerAsTheyDoEmbedded(t *testing.T) {
	for name, opts := range map[string][]netherite.Option{
		"with extras": {netherite.Serve(code()...)},
		"evicted":     {netherite.Serve(code()...), netherite.Worker(noCache)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := dialed(t, sdktest.Start(t).GRPC, opts...)
			ran(t, hub, sequence, "a", "a!!!")
			ran(t, hub, fanOut, 300, 300)
			ran(t, hub, children, "c", "c!")
			ran(t, hub, sleeper, 50*time.Millisecond, true)
			ran(t, hub, again, 5, 1)
			ran(t, hub, retry, "", 3)
			ran(t, hub, move, 7, 0)
		})
	}
}

// TestThePlainProtocolIsEnoughForPlainPrograms: nothing that a worker needs to
// take steps rides in fields that other SDKs do not have.
func TestThePlainProtocolIsEnoughForPlainPrograms(t *testing.T) {
	hub := dialed(t, sdktest.Start(t).GRPC, netherite.Serve(code()...), remote.Standard())
	ran(t, hub, sequence, "a", "a!!!")
	ran(t, hub, fanOut, 300, 300)
	ran(t, hub, children, "c", "c!")
	ran(t, hub, sleeper, 50*time.Millisecond, true)
	ran(t, hub, again, 5, 1)
	ran(t, hub, move, 7, 0)
}

// TestOrchestrationsStayAliveBetweenSteps: with extras the server says where a step
// goes on, without them the history shows it.
func TestOrchestrationsStayAliveBetweenSteps(t *testing.T) {
	for name, opts := range map[string][]netherite.Option{"with extras": nil, "without": {remote.Standard()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var begun atomic.Int32
			o := durable.Orchestration("Counted", func(ctx *durable.Context, n int) (int, error) {
				begun.Add(1)
				for i := range n {
					if _, err := echo.Call(ctx, fmt.Sprint(i)).Await(); err != nil {
						return 0, err
					}
				}
				return goOn2.Wait(ctx, durable.Forever)
			})
			hub, ctx := dialed(t, sdktest.Start(t).GRPC, append(opts, netherite.Serve(o, echo))...), timely(t)
			run, err := o.Start(ctx, hub, 4)
			for range 2 { // the first wakes it in vain
				if err == nil {
					err = run.Raise(ctx, "other", 1)
				}
			}
			if err == nil {
				err = goOn2.Raise(ctx, hub, run.ID(), 7)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := run.Wait(ctx); err != nil || got != 7 || begun.Load() != 1 {
				t.Errorf("it came to %d, %v, and began %d times", got, err, begun.Load())
			}
		})
	}
}

func TestInstancesAreControlledThroughAServer(t *testing.T) {
	hub, ctx := dialed(t, sdktest.Start(t).GRPC), timely(t)
	run, err := waiter.Start(ctx, hub, "", durable.ID("held"))
	if err == nil {
		_, err = run.WaitStarted(ctx)
	}
	if err == nil {
		err = run.Suspend(ctx, "wait")
	}
	if err == nil {
		err = goOn.Raise(ctx, hub, "held", "now")
	}
	if err != nil {
		t.Fatal(err)
	}
	if m, err := run.Status(ctx); err != nil || m.Status != model.Suspended {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := waiter.Start(ctx, hub, "", durable.ID("held")); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second start of a living instance: %v", err)
	}
	if attached, err := waiter.Start(ctx, hub, "", durable.ID("held"), durable.Attach); err != nil || !attached.Attached() || attached.Execution() != run.Execution() {
		t.Errorf("attached to %+v, %v", attached, err)
	}
	if err := run.Resume(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "now" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := run.Suspend(ctx, ""); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("suspend what has ended: %v", err)
	}
	if n, err := run.Purge(ctx, false); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if _, err := run.Status(ctx); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("the status of what was purged: %v", err)
	}
}

func TestFailuresKeepTheirKindThroughAServer(t *testing.T) {
	hub, ctx := dialed(t, sdktest.Start(t).GRPC), timely(t)
	run, err := failing.Start(ctx, hub, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, errTold) {
		t.Fatalf("it came to %v", err)
	}
	mended.Store(true)
	if err := run.Rewind(ctx, "mended"); err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "mended" {
		t.Errorf("rewound it came to %q, %v", got, err)
	}
	slow, err := impatient.Start(ctx, hub, "")
	if err != nil {
		t.Fatal(err)
	}
	var failure *durable.TaskError
	if _, err := slow.Wait(ctx); !errors.As(err, &failure) || failure.Type != model.FailureTimeout {
		t.Errorf("an activity out of time came to %v", err)
	}
}

func TestWorkOfAnotherVersionWaitsAndSaysWhy(t *testing.T) {
	hub, ctx := dialed(t, sdktest.Start(t).GRPC), timely(t)
	run, err := versioned.Start(ctx, hub, "", durable.Version("2"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := hub.Engine().Get(ctx, run.ID(), engine.GetOptions{Waits: true})
	if err != nil || m.Waits == nil || m.Waits.NoHandler != "orchestration Versioned version 2" {
		t.Fatalf("%+v, %v", m, err)
	}
	newer := versioned.By(func(*durable.Context, string) (string, error) { return "2", nil }, durable.Version("2"))
	dialed(t, hub.Address(), netherite.Serve(newer))
	if got, err := run.Wait(ctx); err != nil || got != "2" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEntitiesAndQueriesGoThroughAServer(t *testing.T) {
	hub, ctx := dialed(t, sdktest.Start(t).GRPC), timely(t)
	for i := range 10 {
		if err := add.Post(ctx, hub, tallies.Key("a"), i); err != nil {
			t.Fatal(err)
		}
	}
	if s, there, err := tallies.Read(ctx, hub, tallies.Key("a")); err != nil || !there || s.N != 45 {
		t.Errorf("the tally is %+v, %v, %v", s, there, err)
	}
	for i := range 25 {
		if _, err := second.Start(ctx, hub, "", durable.ID(fmt.Sprintf("page-%02d", i)), durable.Tags{"color": "red"}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for m, err := range durable.Query(ctx, hub, engine.Query{IDPrefix: "page-", Tags: map[string]string{"color": "red"}, PageSize: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; m.Name != "Second" {
			t.Errorf("%+v", m)
		}
	}
	if n != 25 {
		t.Errorf("the query had %d instances", n)
	}
}

// TestStepThatIsSplitForItsStatusGoesOnBehindAServer: the server says that there is more
// of the step, which the history does not show.
func TestStepThatIsSplitForItsStatusGoesOnBehindAServer(t *testing.T) {
	split := durable.Orchestration("Split", func(ctx *durable.Context, _ string) (string, error) {
		if err := ctx.SetStatus(strings.Repeat("s", 600)); err != nil {
			return "", err
		}
		if err := goOn.Send(ctx, ctx.ID(), "by itself"); err != nil { // comes before the rest of the step
			return "", err
		}
		rest := echo.Call(ctx, strings.Repeat("e", 300))
		by, err := goOn.Wait(ctx, durable.Forever)
		if err != nil {
			return "", err
		}
		_, err = rest.Await()
		return by, err
	})
	hub := dialed(t, sdktest.Start(t).GRPC, netherite.Serve(split, echo), netherite.Worker(noCache),
		netherite.Worker(func(o *worker.Options) { o.MaxStepBytes = 1000 }))
	ran(t, hub, split, "", "by itself")
}

// noCache has a worker replay every step.
func noCache(o *worker.Options) { o.CacheCount = -1 }
