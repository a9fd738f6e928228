package linear_test

import (
	"context"
	"fmt"

	"github.com/netherite-go/netherite/durable"
)

// The entities are numbers: registers, counters and accounts at the same time.
var (
	cells  = durable.Entity[int64]("cell")
	setTo  = durable.Operation(cells, "set", func(s *int64, _ *durable.EntityContext, n int64) (int64, error) { return swap(s, n), nil })
	addTo  = durable.Operation(cells, "add", func(s *int64, _ *durable.EntityContext, n int64) (int64, error) { return swap(s, *s+n), nil })
	readOf = durable.Getter(cells, "read", func(s *int64, _ *durable.EntityContext) (int64, error) { return *s, nil })
	// casTo replaces the first number by the second, if it is there.
	casTo = durable.Operation(cells, "cas", func(s *int64, _ *durable.EntityContext, n [2]int64) (int64, error) {
		if *s != n[0] {
			return *s, nil
		}
		return swap(s, n[1]), nil
	})
	// takeFrom takes an amount if there is as much.
	takeFrom = durable.Operation(cells, "take", func(s *int64, _ *durable.EntityContext, n int64) (int64, error) {
		if *s < n {
			return *s, nil
		}
		return swap(s, *s-n), nil
	})

	// ask calls an operation and returns its answer: all of them answer what was
	// there before.
	ask = durable.Orchestration("Ask", func(ctx *durable.Context, q cellInput) (int64, error) {
		key := cells.Key(q.Key)
		switch q.Op {
		case "read":
			return readOf.Call(ctx, key).Await()
		case "set":
			return setTo.Call(ctx, key, q.A).Await()
		case "add":
			return addTo.Call(ctx, key, q.A).Await()
		case "cas":
			return casTo.Call(ctx, key, [2]int64{q.A, q.B}).Await()
		case "take":
			return takeFrom.Call(ctx, key, q.A).Await()
		}
		return 0, fmt.Errorf("no operation %q", q.Op)
	})

	proceed = durable.Event[string]("proceed")

	// waiter lives until it is told to end, or to fail; it continues as new when it is
	// told to do that.
	waiter = durable.DeclareOrchestration[durable.None, string]("Waiter")

	errRefused = durable.NewError("refused")
	refuse     = durable.Activity("Refuse", func(context.Context, durable.None) (durable.None, error) { return durable.None{}, errRefused })

	code = []durable.Handler{cells, ask, refuse, waiter.By(wait)}
)

func wait(ctx *durable.Context, _ durable.None) (string, error) {
	switch word, err := proceed.Wait(ctx, durable.Forever); {
	case word == wordAgain:
		return waiter.Again(durable.None{})
	case word == wordFail:
		_, err := refuse.Call(ctx, durable.None{}).Await()
		return "", err
	default:
		return word, err
	}
}

// swap changes a number and returns what it was.
func swap(s *int64, to int64) int64 {
	was := *s
	*s = to
	return was
}
