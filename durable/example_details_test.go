package durable_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var errRateLimited = durable.NewError("rate-limited")

// Delay takes the place of the formula: here the service says when to come again.
func ExampleRetry_delay() {
	ask := durable.Activity("Ask", func(ctx context.Context, _ durable.None) (int, error) {
		if durable.Attempt(ctx) < 3 {
			return 0, errRateLimited.With("after", 2*time.Millisecond)
		}
		return durable.Attempt(ctx), nil
	})
	polite := durable.Orchestration("Polite", func(ctx *durable.Context, in durable.None) (int, error) {
		return ask.Call(ctx, in, durable.Retry{
			Attempts: 10,
			Delay: func(f durable.Failed) (time.Duration, bool) {
				return durable.Property[time.Duration](f.Err, "after") // without it, no retry
			},
		}).Await()
	})

	ctx := context.Background()
	hub := inMemory(ask, polite)
	defer hub.Close(ctx)
	run, _ := polite.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: 3 <nil>
}

func ExampleAll3() {
	describe := durable.Orchestration("Describe", func(ctx *durable.Context, n int) (string, error) {
		squared, named, napped, err := durable.All3(ctx, square.Call(ctx, n), noted.Call(ctx, "this"), durable.Timer(ctx, time.Millisecond))
		return fmt.Sprint(squared, " ", named, " ", napped), err
	})

	ctx := context.Background()
	hub := inMemory(square, noted, describe)
	defer hub.Close(ctx)
	run, _ := describe.Start(ctx, hub, 5)
	fmt.Println(run.Wait(ctx))
	// Output: 25 noted this {} <nil>
}

var (
	ticked = durable.Event[string]("Ticked")
	ticker = durable.DeclareOrchestration[int, int]("Ticker")
)

// With DropEvents the next execution does not get what nobody has waited for.
func ExampleDropEvents() {
	started := durable.Event[durable.None]("Started")
	code := func(ctx *durable.Context, round int) (int, error) {
		if round == 0 {
			if _, err := started.Wait(ctx, durable.Forever); err != nil {
				return 0, err
			}
			return ticker.Again(1, durable.DropEvents)
		}
		_, err := ticked.Wait(ctx, time.Millisecond)
		if errors.Is(err, durable.ErrTimeout) {
			return round, nil // those from before are gone
		}
		return 0, errors.Join(err, errors.New("a tick was kept"))
	}

	ctx := context.Background()
	hub := inMemory(ticker.By(code))
	defer hub.Close(ctx)
	run, _ := ticker.Start(ctx, hub, 0)
	err := errors.Join(ticked.Raise(ctx, hub, run.ID(), "a"), ticked.Raise(ctx, hub, run.ID(), "b"), started.Raise(ctx, hub, run.ID(), durable.None{}))
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(run.Wait(ctx))
	// Output: 1 <nil>
}

// Properties travel with the error, and each With makes a new one.
func ExampleError_With() {
	errStock := durable.NewError("out-of-stock")
	reserve := durable.Activity("Reserve", func(_ context.Context, item string) (durable.None, error) {
		return durable.None{}, errStock.With("item", item).With("left", 2)
	})
	buy := durable.Orchestration("Buy", func(ctx *durable.Context, item string) (durable.None, error) {
		return reserve.Call(ctx, item).Await()
	})

	ctx := context.Background()
	hub := inMemory(reserve, buy)
	defer hub.Close(ctx)
	run, _ := buy.Start(ctx, hub, "tea")
	_, err := run.Wait(ctx)
	item, _ := durable.Property[string](err, "item")
	left, ok := durable.Property[int](err, "left")
	_, number := durable.Property[int](err, "item") // it is no number
	fmt.Println(errors.Is(err, errStock), item, left, ok, number)
	// Output: true tea 2 true false
}

// Ledger has a map, which assignment does not copy.
type Ledger struct{ Lines map[string]int }

// Clone makes the copy from which a failed operation is undone, cheaper than
// from the payload. It must not share anything that operations change.
func (l *Ledger) Clone() *Ledger { return &Ledger{Lines: maps.Clone(l.Lines)} }

// Book adds a line, and then finds out whether it should have.
func (l *Ledger) Book(_ *durable.EntityContext, amount int) (int, error) {
	if l.Lines == nil {
		l.Lines = map[string]int{}
	}
	l.Lines[fmt.Sprint("line ", len(l.Lines)+1)] = amount
	if amount < 0 {
		return 0, errors.New("negative amounts are not booked")
	}
	return len(l.Lines), nil
}

// A state with a method Clone is undone from its copy when an operation fails.
func ExampleEntity_clone() {
	ledgers := durable.Entity[Ledger]("Ledger")
	book := durable.Operation(ledgers, "Book", (*Ledger).Book)
	day := durable.Orchestration("Day", func(ctx *durable.Context, amounts []int) (failed int, err error) {
		for _, n := range amounts {
			if _, err := book.Call(ctx, ledgers.Key("today"), n).Await(); err != nil {
				failed++
			}
		}
		return failed, nil
	})

	ctx := context.Background()
	hub := inMemory(ledgers, day)
	defer hub.Close(ctx)
	run, _ := day.Start(ctx, hub, []int{10, -5, 20})
	failed, err := run.Wait(ctx)
	fmt.Println(failed, "failed", err)
	ledger, _, err := ledgers.Read(ctx, hub, ledgers.Key("today"))
	fmt.Println(ledger.Lines, err)
	// Output:
	// 1 failed <nil>
	// map[line 1:10 line 2:20] <nil>
}

// A window of time is from its beginning to before its end. CreatedFrom and
// CreatedTo also put the result into the order of creation.
func ExampleQuery_window() {
	pause := durable.Orchestration("Pause", func(ctx *durable.Context, d time.Duration) (durable.None, error) {
		return durable.None{}, durable.Sleep(ctx, d)
	})

	ctx := context.Background()
	hub := inMemory(pause)
	defer hub.Close(ctx)
	var created []model.Time
	for _, id := range []string{"x-first", "m-second", "a-third"} {
		run, _ := pause.Start(ctx, hub, 20*time.Millisecond, durable.ID(id))
		if _, err := run.Wait(ctx); err != nil {
			fmt.Println(err)
		}
		inst, err := run.Status(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		created = append(created, inst.Created)
	}
	for _, q := range []engine.Query{
		{CreatedFrom: created[1]},
		{CreatedFrom: created[0], CreatedTo: created[2]},
		{CreatedTo: model.TimeOf(time.Now().Add(-time.Hour))},
	} {
		found := []string{}
		for inst, err := range durable.Query(ctx, hub, q) {
			if err != nil {
				fmt.Println(err)
				return
			}
			found = append(found, inst.ID)
		}
		fmt.Println(found)
	}
	// Output:
	// [m-second a-third]
	// [x-first m-second]
	// []
}
