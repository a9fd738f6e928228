package durable_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// trials notes what each attempt of an activity saw.
type trials struct {
	mu       sync.Mutex
	keys     []string
	attempts []int
}

func (s *trials) note(ctx context.Context) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, durable.IdempotencyKey(ctx))
	s.attempts = append(s.attempts, durable.Attempt(ctx))
	return len(s.keys)
}

var (
	flaky    = durable.DeclareActivity[string, int]("Flaky")
	errFlaky = durable.NewError("flaky")
	ms       = time.Millisecond
)

func TestRetryRepeatsWithTheSameKey(t *testing.T) {
	retried := durable.Orchestration("Retried", func(ctx *durable.Context, in string) (int, error) {
		return flaky.Call(ctx, in, durable.Retry{Attempts: 3, First: ms, Factor: 2}).Await()
	})
	for _, tt := range []struct {
		in       string
		attempts int
		err      error
	}{
		{"always", 3, errFlaky},
		{"third", 3, nil},
		{"never", 1, errFlaky},
	} {
		t.Run(tt.in, func(t *testing.T) {
			var seen *trials
			code := flaky.By(func(ctx context.Context, in string) (int, error) {
				n := seen.note(ctx)
				switch {
				case in == "never":
					return 0, durable.NonRetriable(errFlaky)
				case in == "third" && n == 3:
					return n, nil
				}
				return 0, fmt.Errorf("attempt %d: %w", n, errFlaky)
			})
			seen = &trials{}
			hub := open(t, []durable.Handler{retried, code}, evicting)
			ctx := within(t)
			run, err := retried.Start(ctx, hub, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(ctx); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("error %v", err)
			}
			if len(seen.keys) != tt.attempts || len(slices.Compact(seen.keys)) != 1 || seen.attempts[len(seen.attempts)-1] != tt.attempts {
				t.Errorf("keys %v, attempts %v", seen.keys, seen.attempts)
			}
		})
	}
}

func TestRetryTimersTellTheNextAttempt(t *testing.T) {
	patient := durable.Orchestration("Patient", func(ctx *durable.Context, in string) (int, error) {
		return flaky.Call(ctx, in, durable.Retry{Attempts: 2, First: time.Hour}).Await()
	})
	hub := open(t, []durable.Handler{patient, flaky.By(func(context.Context, string) (int, error) { return 0, errFlaky })})
	ctx := within(t)
	run, err := patient.Start(ctx, hub, "x")
	if err != nil {
		t.Fatal(err)
	}
	for {
		events, err := run.History(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(events, func(ev model.Event) bool { return ev.Kind == model.TimerCreated }); i >= 0 {
			if ev := events[i]; ev.Name != "Flaky" || ev.Extra().Attempt != 2 || ev.Extra().Timeout != int64(time.Hour) {
				t.Errorf("timer %+v %+v", ev, ev.Ext)
			}
			return
		}
	}
}

func TestHandlersDecideAboutRetries(t *testing.T) {
	var told []string
	handled := durable.Orchestration("Handled", func(ctx *durable.Context, _ durable.None) (int, error) {
		return flaky.Call(ctx, "x", durable.Retry{
			If: func(f durable.Failed) bool {
				told = append(told, fmt.Sprint(f.Attempt, f.Err.Type))
				return f.Attempt < 4
			},
			Delay: func(f durable.Failed) (time.Duration, bool) { return 0, errors.Is(f.Err, errFlaky) },
		}).Await()
	})
	n := 0
	hub := open(t, []durable.Handler{handled, flaky.By(func(context.Context, string) (int, error) { n++; return 0, errFlaky })})
	ctx := within(t)
	run, err := handled.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, errFlaky) {
		t.Fatal(err)
	}
	if n != 4 || !slices.Equal(told, []string{"1flaky", "2flaky", "3flaky", "4flaky"}) {
		t.Errorf("%d attempts, told %q", n, told)
	}
}

func TestPanickingHandlerFailsTheOrchestration(t *testing.T) {
	handled := durable.Orchestration("Handled", func(ctx *durable.Context, _ durable.None) (int, error) {
		return flaky.Call(ctx, "x", durable.Retry{If: func(durable.Failed) bool { ctx.Now(); return true }}).Await()
	})
	hub := open(t, []durable.Handler{handled, flaky.By(func(context.Context, string) (int, error) { return 0, errFlaky })})
	ctx := within(t)
	run, err := handled.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); !errors.Is(err, durable.ErrPanic) {
		t.Fatal(err)
	}
}

func TestTimeoutFreesTheSlotOfAnActivityThatHangs(t *testing.T) {
	release := make(chan struct{})
	hanging := durable.Activity("Hanging", func(ctx context.Context, n int) (int, error) {
		if d, ok := ctx.Deadline(); !ok || d.IsZero() {
			return 0, errors.New("no deadline")
		}
		<-ctx.Done()
		<-release // ignores that its time is up
		return n, nil
	}, durable.Timeout(5*ms))
	both := durable.Orchestration("Both", func(ctx *durable.Context, _ durable.None) (string, error) {
		_, err := hanging.Call(ctx, 1).Await()
		if !errors.Is(err, durable.ErrTimeout) {
			return "", fmt.Errorf("unexpected: %w", err)
		}
		return sayHello.Call(ctx, "again").Await()
	})
	hub := open(t, []durable.Handler{hanging, both, sayHello}, func(o *worker.Options) { o.Activities = 1 })
	defer close(release)
	ctx := within(t)
	run, err := both.Start(ctx, hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != "Hello again!" {
		t.Fatal(got, err)
	}
}

func TestGoexitAndPanicFailOnlyTheirActivity(t *testing.T) {
	bad := durable.Activity("Bad", func(_ context.Context, how string) (string, error) {
		switch how {
		case "panic":
			panic(how)
		case "exit":
			runtime.Goexit()
		}
		return how, nil
	})
	all := durable.Orchestration("AllBad", func(ctx *durable.Context, _ durable.None) (string, error) {
		a, b, c := bad.Call(ctx, "panic"), bad.Call(ctx, "exit"), bad.Call(ctx, "fine")
		if err := durable.WaitAll(ctx, a, b, c); !errors.Is(err, durable.ErrPanic) {
			return "", err
		}
		_, errA := a.Await()
		_, errB := b.Await()
		var te *durable.TaskError
		if !errors.Is(errA, durable.ErrPanic) || !errors.Is(errB, durable.ErrPanic) || !errors.As(errA, &te) || te.Stack == "" {
			return "", errors.Join(errA, errB)
		}
		return c.Await()
	})
	bothWays(t, []durable.Handler{bad, all}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := all.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "fine" {
			t.Fatal(got, err)
		}
	})
}
