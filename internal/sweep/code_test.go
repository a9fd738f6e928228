package sweep_test

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/internal/hubtest"
)

// The workflows of the workload. All of them have the same result however often
// a crash makes them begin a step again.

var (
	square = durable.Activity("Square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	said   = durable.Event[string]("said")

	// squares adds up squares, all computed at the same time, after a timer.
	squares = durable.Orchestration("Squares", func(ctx *durable.Context, n int) (int, error) {
		if err := durable.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		calls := make([]*durable.Future[int], n)
		for i := range calls {
			calls[i] = square.Call(ctx, i)
		}
		sum := 0
		all, err := durable.All(ctx, calls...)
		for _, m := range all {
			sum += m
		}
		return sum, err
	})

	// parent asks two children.
	parent = durable.Orchestration("Parent", func(ctx *durable.Context, n int) (int, error) {
		a, b := squares.Call(ctx, n), squares.Call(ctx, n+1)
		x, y, err := durable.All2(ctx, a, b)
		return x + y, err
	})

	// ticking continues as new until nothing is left, and tells an entity each time.
	ticking = durable.DeclareOrchestration[int, string]("Ticking")

	// listener keeps what it is told until that is "end".
	listener = durable.Orchestration("Listener", listen)
)

func listen(ctx *durable.Context, _ durable.None) ([]string, error) {
	var all []string
	for {
		s, err := said.Wait(ctx, durable.Forever)
		if err != nil || s == "end" {
			return all, err
		}
		all = append(all, s)
	}
}

func tick(ctx *durable.Context, left int) (string, error) {
	if left == 0 {
		return "done", nil
	}
	if _, err := square.Call(ctx, left).Await(); err != nil {
		return "", err
	}
	if err := hubtest.Add.Signal(ctx, ticks(ctx.ID()), 1); err != nil {
		return "", err
	}
	return ticking.Again(left - 1)
}

// ticks is the entity that counts the generations of an instance.
func ticks(id string) durable.Key[int64] { return hubtest.Accounts.Key("ticks-" + id) }

// code is what a hub serves.
func code(m *mending) []durable.Handler {
	all := []durable.Handler{hubtest.Accounts, square, hubtest.Transfer, squares, parent, ticking.By(tick), listener}
	return append(all, troubleCode(m)...)
}

// sumOfSquares is what squares returns.
func sumOfSquares(n int) (sum int) {
	for i := range n {
		sum += i * i
	}
	return sum
}

func accountNamed(i int) string { return fmt.Sprint("a", i) }
