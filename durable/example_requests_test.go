package durable_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// A start at a time is recorded now; until then the instance is pending.
func ExampleAt() {
	ctx := context.Background()
	hub := inMemory(noted)
	defer hub.Close(ctx)
	at := time.Now().Add(time.Hour)
	run, _ := noted.Start(ctx, hub, "this", durable.At(at))
	inst, err := run.Status(ctx)
	fmt.Println(inst.Status, inst.ScheduledAt.Std().Equal(at), err)
	// Output: Pending true <nil>
}

// A request with a key may be sent again, by whoever knows the key.
func ExampleRequestKey() {
	ctx := context.Background()
	hub := inMemory(carts, shipping)
	defer hub.Close(ctx)
	key := carts.Key("ada")
	for range 3 {
		if err := put.Post(ctx, hub, key, "tea", durable.RequestKey("web-request-17")); err != nil {
			fmt.Println(err)
		}
	}
	cart, _, err := carts.Read(ctx, hub, key)
	fmt.Println(cart.Items, err)
	// Output: map[tea:1] <nil>
}

// The next event, as a future beside others.
func ExampleEventOf_Next() {
	approved, refused := durable.Event[string]("Approved"), durable.Event[string]("Refused")
	decide := durable.Orchestration("Decide", func(ctx *durable.Context, _ durable.None) (string, error) {
		yes, no := approved.Next(ctx), refused.Next(ctx)
		if first, err := durable.First(ctx, yes, no); err != nil || first == 0 {
			who, err := yes.Await()
			return "approved by " + who, err
		}
		who, err := no.Await()
		return "refused by " + who, err
	})

	ctx := context.Background()
	hub := inMemory(decide)
	defer hub.Close(ctx)
	run, _ := decide.Start(ctx, hub, durable.None{})
	if err := refused.Raise(ctx, hub, run.ID(), "Grace"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(run.Wait(ctx))
	// Output: refused by Grace <nil>
}

// What could deadlock, or would act outside of the section, is refused in it.
func ExampleIsLocked() {
	other := durable.Orchestration("Other", func(*durable.Context, int) (int, error) { return 0, nil })
	section := durable.Orchestration("Section", func(ctx *durable.Context, _ durable.None) ([]bool, error) {
		in := carts.Key("in")
		unlock, err := durable.Lock(ctx, in)
		if err != nil {
			return nil, err
		}
		defer unlock()
		_, locked := durable.IsLocked(ctx)
		_, twice := durable.Lock(ctx, carts.Key("more"))
		_, outside := count.Call(ctx, carts.Key("out")).Await()
		_, child := other.Call(ctx, 1).Await()
		signal := put.Signal(ctx, in, "tea")
		refused := []bool{locked}
		for _, err := range []error{twice, outside, child, signal} {
			refused = append(refused, errors.Is(err, durable.ErrCriticalSection))
		}
		return refused, nil
	})

	ctx := context.Background()
	hub := inMemory(carts, section, other, shipping)
	defer hub.Close(ctx)
	run, _ := section.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: [true true true true true] <nil>
}

var squareOnce = durable.Orchestration("SquareOnce", func(ctx *durable.Context, n int) (int, error) { return square.Call(ctx, n).Await() })

// The history tells what an execution asked for and was told.
func ExampleRun_History() {
	ctx := context.Background()
	hub := inMemory(square, squareOnce)
	defer hub.Close(ctx)
	run, _ := squareOnce.Start(ctx, hub, 3)
	if _, err := run.Wait(ctx); err != nil {
		fmt.Println(err)
	}
	events, err := run.History(ctx)
	for _, e := range events {
		fmt.Println(e.Kind)
	}
	fmt.Println(err)
	// Output:
	// OrchestratorStarted
	// ExecutionStarted
	// TaskScheduled
	// OrchestratorStarted
	// TaskCompleted
	// ExecutionCompleted
	// <nil>
}

// Purge forgets what has ended, here with the sub-orchestrations.
func ExampleRun_Purge() {
	ctx := context.Background()
	hub := inMemory(noted)
	defer hub.Close(ctx)
	run, _ := noted.Start(ctx, hub, "this")
	if _, err := run.Wait(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(run.Purge(ctx, true))
	_, err := run.Status(ctx)
	fmt.Println(errors.Is(err, engine.ErrNotFound))
	// Output:
	// 1 <nil>
	// true
}

// An entity goes with its state, and a lock with its orchestration: usually there
// is nothing to clean up.
func ExampleCleanEntities() {
	ctx := context.Background()
	hub := inMemory(carts, shipping)
	defer hub.Close(ctx)
	key := carts.Key("ada")
	if err := errors.Join(put.Post(ctx, hub, key, "tea"), carts.Delete().Post(ctx, hub, key, durable.None{})); err != nil {
		fmt.Println(err)
	}
	_, ok, err := carts.Read(ctx, hub, key) // waits until both have been applied
	fmt.Println(ok, err)
	removed, released, err := durable.CleanEntities(ctx, hub, engine.CleanOptions{RemoveEmpty: true, ReleaseOrphanedLocks: true})
	fmt.Println(removed, released, err)
	// Output:
	// false <nil>
	// 0 0 <nil>
}
