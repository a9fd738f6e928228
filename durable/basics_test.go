package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

var (
	sayHello = durable.Activity("SayHello", func(_ context.Context, city string) (string, error) { return "Hello " + city + "!", nil })
	hello5   = durable.Orchestration("Hello5", func(ctx *durable.Context, _ durable.None) ([]string, error) {
		var all []string
		for _, city := range []string{"Tokyo", "Seattle", "London", "Amsterdam", "Mumbai"} {
			s, err := sayHello.Call(ctx, city).Await()
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	})
)

func TestActivitiesRunInSequence(t *testing.T) {
	bothWays(t, []durable.Handler{sayHello, hello5}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := hello5.Start(ctx, hub, durable.None{}, durable.ID("h"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(ctx)
		if err != nil || len(got) != 5 || got[4] != "Hello Mumbai!" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

var (
	sum    = durable.DeclareOrchestration[int, int]("Sum")
	double = durable.Activity("Double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
)

func sumCode(ctx *durable.Context, n int) (int, error) {
	if n == 0 {
		return 0, nil
	}
	rest, d, err := durable.All2(ctx, sum.Call(ctx, n-1), double.Call(ctx, n))
	return rest + d, err
}

func TestSubOrchestrationsRecur(t *testing.T) {
	bothWays(t, []durable.Handler{sum.By(sumCode), double}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := sum.Start(ctx, hub, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != 20 {
			t.Fatalf("got %d, %v", got, err)
		}
	})
}

var (
	approved = durable.Event[string]("Approved")
	approval = durable.Orchestration("Approval", func(ctx *durable.Context, d time.Duration) (string, error) {
		return approved.Wait(ctx, d)
	})
)

func TestEventComesOrTimeRunsOut(t *testing.T) {
	bothWays(t, []durable.Handler{approval}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := approval.Start(ctx, hub, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := durable.Event[string]("aPPROVED").Raise(ctx, hub, run.ID(), "yes"); err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "yes" {
			t.Fatalf("got %q, %v", got, err)
		}
		late, err := approval.Start(ctx, hub, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := late.Wait(ctx); !errors.Is(err, durable.ErrTimeout) {
			t.Fatalf("error %v", err)
		}
		if err := approved.Raise(ctx, hub, "nobody", "x"); !errors.Is(err, engine.ErrNotFound) {
			t.Fatalf("error %v", err)
		}
	})
}

var countdown = durable.DeclareOrchestration[int, string]("Countdown")

func countdownCode(ctx *durable.Context, n int) (string, error) {
	said, err := approved.Wait(ctx, durable.Forever)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return said, nil
	}
	return countdown.Again(n - 1)
}

func TestUnusedEventsLiveOnInTheNextExecution(t *testing.T) {
	bothWays(t, []durable.Handler{countdown.By(countdownCode)}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := countdown.Start(ctx, hub, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if err := approved.Raise(ctx, hub, run.ID(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := run.Wait(ctx); err != nil || got != "3" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// The zero time, and the moment whose encoding stands for no time, are in the
// past like any other.
func TestTimerAtATimeInThePastIsDueAtOnce(t *testing.T) {
	pasts := []time.Time{{}, time.Unix(0, 0), time.Unix(0, 1), time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)}
	wait := durable.Orchestration("Wait", func(ctx *durable.Context, past int) (int, error) {
		return past, durable.SleepUntil(ctx, pasts[past])
	})
	bothWays(t, []durable.Handler{wait}, func(t *testing.T, hub *testHub) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for past, at := range pasts {
			run, err := wait.Start(ctx, hub, past)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(ctx); err != nil {
				t.Errorf("until %v: %v", at, err)
			}
		}
	})
}
