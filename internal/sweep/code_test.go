package sweep_test

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// The workflows of the workload. All of them have the same result however often
// a crash makes them begin a step again.

type transferOf struct {
	From, To string
	Amount   int64
}

var (
	accounts = durable.Entity[int64]("account")
	add      = durable.Operation(accounts, "add", func(s *int64, _ *durable.EntityContext, n int64) (int64, error) {
		*s += n
		return *s, nil
	})
	balance = durable.Getter(accounts, "balance", func(s *int64, _ *durable.EntityContext) (int64, error) { return *s, nil })

	square = durable.Activity("Square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	said   = durable.Event[string]("said")

	// transfer moves an amount in a critical section, if there is enough.
	transfer = durable.Orchestration("Transfer", func(ctx *durable.Context, t transferOf) (bool, error) {
		from, to := accounts.Key(t.From), accounts.Key(t.To)
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return false, err
		}
		defer unlock()
		n, err := balance.Call(ctx, from).Await()
		if err != nil || n < t.Amount {
			return false, err
		}
		_, err = durable.All(ctx, add.Call(ctx, from, -t.Amount), add.Call(ctx, to, t.Amount))
		return err == nil, err
	})

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
	listener = durable.Orchestration("Listener", func(ctx *durable.Context, _ durable.None) ([]string, error) {
		var all []string
		for {
			s, err := said.Wait(ctx, durable.Forever)
			if err != nil || s == "end" {
				return all, err
			}
			all = append(all, s)
		}
	})
)

func tick(ctx *durable.Context, left int) (string, error) {
	if left == 0 {
		return "done", nil
	}
	if _, err := square.Call(ctx, left).Await(); err != nil {
		return "", err
	}
	if err := add.Signal(ctx, ticks(ctx.ID()), 1); err != nil {
		return "", err
	}
	return ticking.Again(left - 1)
}

// ticks is the entity that counts the generations of an instance.
func ticks(id string) durable.Key[int64] { return accounts.Key("ticks-" + id) }

var code = []durable.Handler{accounts, square, transfer, squares, parent, ticking.By(tick), listener}

// sumOfSquares is what squares returns.
func sumOfSquares(n int) (sum int) {
	for i := range n {
		sum += i * i
	}
	return sum
}

func accountNamed(i int) string { return fmt.Sprint("a", i) }
