package remote_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
	"github.com/netherite-go/netherite/remote"
)

// The programs of the tests: one of each thing that there is.

type tally struct{ N int }

func (t *tally) Add(_ *durable.EntityContext, n int) (int, error) { t.N += n; return t.N, nil }
func (t *tally) Get(*durable.EntityContext) (int, error)          { return t.N, nil }

var (
	echo = durable.Activity("Echo", func(_ context.Context, s string) (string, error) { return s + "!", nil })
	// flaky fails until its third attempt.
	flaky = durable.Activity("Flaky", func(ctx context.Context, _ string) (int, error) {
		if n := durable.Attempt(ctx); n < 3 {
			return n, fmt.Errorf("attempt %d", n)
		}
		return durable.Attempt(ctx), nil
	})
	hangs = durable.Activity("Hangs", func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	errTold = durable.NewError("told")
	fails   = durable.Activity("Fails", mayFail)

	tallies = durable.Entity[tally]("Tally")
	add     = durable.Operation(tallies, "Add", (*tally).Add)
	get     = durable.Getter(tallies, "Get", (*tally).Get)

	goOn   = durable.Event[string]("GoOn")
	second = durable.Orchestration("Second", func(ctx *durable.Context, s string) (string, error) { return echo.Call(ctx, s).Await() })

	sequence = durable.Orchestration("Sequence", func(ctx *durable.Context, s string) (string, error) {
		for range 3 {
			var err error
			if s, err = echo.Call(ctx, s).Await(); err != nil {
				return "", err
			}
		}
		return s, nil
	})
	fanOut = durable.Orchestration("FanOut", func(ctx *durable.Context, n int) (int, error) {
		calls := make([]*durable.Future[string], n)
		for i := range calls {
			calls[i] = echo.Call(ctx, fmt.Sprint(i))
		}
		all, err := durable.All(ctx, calls...)
		return len(all), err
	})
	children = durable.Orchestration("Children", func(ctx *durable.Context, s string) (string, error) {
		return second.Call(ctx, s).Await()
	})
	sleeper = durable.Orchestration("Sleeper", func(ctx *durable.Context, d time.Duration) (bool, error) {
		begin := ctx.Now()
		err := durable.Sleep(ctx, d)
		return ctx.Now().Sub(begin) >= d, err
	})
	waiter = durable.Orchestration("Waiter", func(ctx *durable.Context, _ string) (string, error) {
		return goOn.Wait(ctx, durable.Forever)
	})
	again = durable.DeclareOrchestration[int, int]("Again")
	retry = durable.Orchestration("Retry", func(ctx *durable.Context, _ string) (int, error) {
		return flaky.Call(ctx, "", durable.Retry{Attempts: 5, First: time.Millisecond}).Await()
	})
	impatient = durable.Orchestration("Impatient", func(ctx *durable.Context, _ string) (string, error) {
		return hangs.Call(ctx, "", durable.Timeout(20*time.Millisecond)).Await()
	})
	failing = durable.Orchestration("Failing", func(ctx *durable.Context, _ string) (string, error) { return fails.Call(ctx, "").Await() })
	move    = durable.Orchestration("Move", func(ctx *durable.Context, n int) (int, error) {
		from, to := tallies.Key("from"), tallies.Key("to")
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return 0, err
		}
		defer unlock()
		if _, err := durable.All(ctx, add.Call(ctx, from, -n), add.Call(ctx, to, n)); err != nil {
			return 0, err
		}
		a, err := get.Call(ctx, from).Await()
		if err != nil {
			return 0, err
		}
		b, err := get.Call(ctx, to).Await()
		return a + b, err
	})
	// once tells a tally that it has run, in two ways.
	once = durable.Orchestration("Once", func(ctx *durable.Context, n int) (int, error) {
		for range 3 {
			if _, err := echo.Call(ctx, fmt.Sprint(n)).Await(); err != nil {
				return 0, err
			}
		}
		if err := add.Signal(ctx, tallies.Key("signalled"), 1); err != nil {
			return 0, err
		}
		if _, err := second.Call(ctx, "child").Await(); err != nil {
			return 0, err
		}
		if err := durable.Sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
		if _, err := add.Call(ctx, tallies.Key("called"), 1).Await(); err != nil {
			return 0, err
		}
		return n, nil
	})
	versioned = durable.DeclareOrchestration[string, string]("Versioned")
)

func countDown(_ *durable.Context, n int) (int, error) {
	if n <= 1 {
		return n, nil
	}
	return again.Again(n - 1)
}

// mended makes Failing succeed from then on, as better code would.
var mended atomic.Bool

func mayFail(context.Context, string) (string, error) {
	if mended.Load() {
		return "mended", nil
	}
	return "", errTold
}

func code() []durable.Handler {
	return []durable.Handler{
		echo, flaky, hangs, fails, tallies, second, sequence, fanOut, children, sleeper, waiter, again.By(countDown), retry, impatient, failing, move, once, echoes,
		versioned.By(func(*durable.Context, string) (string, error) { return "1", nil }, durable.Version("1")),
	}
}

// workerOf is the environment variable that makes this program a worker.
const workerOf = "REMOTE_TEST_WORKER"

func TestMain(m *testing.M) {
	if address := os.Getenv(workerOf); address != "" {
		if _, err := remote.Dial(address, netherite.Serve(code()...)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {} // until it is killed
	}
	replaycheck.InTests()
	sdktest.Main(m)
}
