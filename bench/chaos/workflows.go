package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/durable"
)

// The orchestrations, beside the Bank. What each returns follows from its input
// and from the events that it was sent, so that an audit knows what to expect.
var (
	// Square is an activity.
	Square = durable.Activity("Square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

	// Squares adds up the squares of n, n+1, ... one after the other, each from an
	// activity.
	Squares = durable.Orchestration("Squares", func(ctx *durable.Context, n int64) (sum int64, err error) {
		for i := range int64(squares) {
			s, err := Square.Call(ctx, n+i).Await()
			if err != nil {
				return 0, err
			}
			sum += s
		}
		return sum, nil
	})

	// Told is the event that Listen waits for.
	Told = durable.Event[int64]("Told")

	// Listen returns the first n numbers that it was told, in their order.
	Listen = durable.Orchestration("Listen", func(ctx *durable.Context, n int) ([]int64, error) {
		heard := make([]int64, 0, n)
		for range n {
			v, err := Told.Wait(ctx, durable.Forever)
			if err != nil {
				return nil, err
			}
			heard = append(heard, v)
		}
		return heard, nil
	})

	// Nap waits until a time and returns when it went on.
	Nap = durable.Orchestration("Nap", func(ctx *durable.Context, until time.Time) (time.Time, error) {
		err := durable.SleepUntil(ctx, until)
		return ctx.Now(), err
	})

	// Family adds up what its children return: each its number, squared.
	Family = durable.Orchestration("Family", func(ctx *durable.Context, n int64) (sum int64, err error) {
		children := make([]*durable.Future[int64], Children)
		for i := range children {
			children[i] = Child.Call(ctx, n+int64(i), durable.ID(ChildOf(ctx.ID(), i)))
		}
		results, err := durable.All(ctx, children...)
		for _, r := range results {
			sum += r
		}
		return sum, err
	})

	// Child is a child of Family.
	Child = durable.Orchestration("Child", func(ctx *durable.Context, n int64) (int64, error) { return Square.Call(ctx, n).Await() })

	// Rounds continues as new until nothing is left to do, and returns what was done.
	Rounds = durable.DeclareOrchestration[Round, int]("Rounds")
)

const (
	squares = 3
	// Children is how many a Family has.
	Children = 3
)

// Round is the input of Rounds.
type Round struct {
	Left int `json:"left"`
	Done int `json:"done"`
}

func rounds(ctx *durable.Context, r Round) (int, error) {
	if r.Left == 0 {
		return r.Done, nil
	}
	if _, err := Square.Call(ctx, int64(r.Left)).Await(); err != nil {
		return 0, err
	}
	return Rounds.Again(Round{r.Left - 1, r.Done + 1})
}

// ChildOf is the instance ID of a child of a Family.
func ChildOf(parent string, i int) string { return fmt.Sprintf("%s.%d", parent, i) }

// SumOfSquares is what Squares returns; Family too, which has as many children.
func SumOfSquares(n int64) (sum int64) {
	for i := n; i < n+squares; i++ {
		sum += i * i
	}
	return sum
}

// Handlers is the code that the hub serves.
func Handlers() []durable.Handler {
	return append(bench.BankHandlers(), Square, Squares, Listen, Nap, Family, Child, Rounds.By(rounds), Marked)
}
