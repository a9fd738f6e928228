package durable_test

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

var square = durable.Activity("Square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func ExampleAll() {
	sum := durable.Orchestration("SumOfSquares", func(ctx *durable.Context, n int) (int, error) {
		fs := make([]*durable.Future[int], n)
		for i := range fs {
			fs[i] = square.Call(ctx, i) // all run at the same time
		}
		squares, err := durable.All(ctx, fs...)
		total := 0
		for _, v := range squares {
			total += v
		}
		return total, err
	})

	ctx := context.Background()
	hub := inMemory(square, sum)
	defer hub.Close(ctx)
	run, _ := sum.Start(ctx, hub, 10)
	fmt.Println(run.Wait(ctx))
	// Output: 285 <nil>
}

// First ends the waits of the losers: the timer is taken back.
func ExampleFirst() {
	race := durable.Orchestration("Race", func(ctx *durable.Context, n int) (string, error) {
		result, late := square.Call(ctx, n), durable.Timer(ctx, time.Hour)
		winner, err := durable.First(ctx, result, late)
		if err != nil || winner == 1 {
			return "too late", err
		}
		v, err := result.Await()
		return fmt.Sprint("in time: ", v), err
	})

	ctx := context.Background()
	hub := inMemory(square, race)
	defer hub.Close(ctx)
	run, _ := race.Start(ctx, hub, 3)
	fmt.Println(run.Wait(ctx))
	// Output: in time: 9 <nil>
}

// Completed takes results as they come.
func ExampleCompleted() {
	count := durable.Orchestration("Count", func(ctx *durable.Context, n int) (int, error) {
		fs := make([]*durable.Future[int], n)
		for i := range fs {
			fs[i] = square.Call(ctx, i)
		}
		right := 0
		for i, f := range durable.Completed(ctx, fs...) {
			if v, err := f.Await(); err == nil && v == i*i {
				right++
			}
		}
		return right, nil
	})

	ctx := context.Background()
	hub := inMemory(square, count)
	defer hub.Close(ctx)
	run, _ := count.Start(ctx, hub, 5)
	fmt.Println(run.Wait(ctx))
	// Output: 5 <nil>
}

// Branches are sequences of steps beside each other.
func ExampleGo() {
	both := durable.Orchestration("Both", func(ctx *durable.Context, n int) (int, error) {
		fourth := durable.Go(ctx, func(ctx *durable.Context) (int, error) {
			v, err := square.Call(ctx, n).Await()
			if err != nil {
				return 0, err
			}
			return square.Call(ctx, v).Await()
		})
		second, power, err := durable.All2(ctx, square.Call(ctx, n), fourth)
		return second + power, err
	})

	ctx := context.Background()
	hub := inMemory(square, both)
	defer hub.Close(ctx)
	run, _ := both.Start(ctx, hub, 2)
	fmt.Println(run.Wait(ctx))
	// Output: 20 <nil>
}

func ExampleFuture_Cancel() {
	cancel := durable.Orchestration("Cancel", func(ctx *durable.Context, _ durable.None) (string, error) {
		late := durable.Timer(ctx, time.Hour)
		late.Cancel()
		_, err := late.Await()
		return err.Error(), nil
	})

	ctx := context.Background()
	hub := inMemory(cancel)
	defer hub.Close(ctx)
	run, _ := cancel.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: Canceled <nil>
}
