package durable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

var fib = durable.DeclareOrchestration[int, int]("Fib")

// Orchestrations call orchestrations, also themselves: their code is then bound
// with By.
func ExampleOrchestrationOf_Call() {
	code := func(ctx *durable.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		a, b, err := durable.All2(ctx, fib.Call(ctx, n-1), fib.Call(ctx, n-2))
		return a + b, err
	}

	ctx := context.Background()
	hub := inMemory(fib.By(code))
	defer hub.Close(ctx)
	run, _ := fib.Start(ctx, hub, 7)
	fmt.Println(run.Wait(ctx))
	// Output: 13 <nil>
}

var counter = durable.DeclareOrchestration[int, int]("Counter")

// Again keeps the history of what runs for ever short. Events that nobody has
// waited for are kept.
func ExampleOrchestrationOf_Again() {
	added := durable.Event[int]("Added")
	code := func(ctx *durable.Context, sum int) (int, error) {
		n, err := added.Wait(ctx, durable.Forever)
		if err != nil || n == 0 {
			return sum, err
		}
		return counter.Again(sum + n)
	}

	ctx := context.Background()
	hub := inMemory(counter.By(code))
	defer hub.Close(ctx)
	run, _ := counter.Start(ctx, hub, 0)
	for _, n := range []int{1, 2, 3, 0} {
		if err := added.Raise(ctx, hub, run.ID(), n); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(run.Wait(ctx))
	// Output: 6 <nil>
}

// arrived waits for the end of an instance that has been asked for and may not
// have arrived in its partition yet.
func arrived[Out any](ctx context.Context, run *durable.Run[Out]) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		out, err := run.Wait(ctx)
		if !errors.Is(err, engine.ErrNotFound) || ctx.Err() != nil {
			return out, err
		}
	}
}

// A detached orchestration is started, with the step, and not waited for.
func ExampleOrchestrationOf_Detach() {
	mail := durable.Orchestration("Mail", func(_ *durable.Context, to string) (string, error) { return "mailed " + to, nil })
	order := durable.Orchestration("Order", func(ctx *durable.Context, customer string) (string, error) {
		return mail.Detach(ctx, customer, durable.ID("mail-"+ctx.ID()))
	})

	ctx := context.Background()
	hub := inMemory(mail, order)
	defer hub.Close(ctx)
	run, _ := order.Start(ctx, hub, "Ada", durable.ID("order-1"))
	id, err := run.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(arrived(ctx, mail.Attach(hub, id)))
	// Output: mailed Ada <nil>
}

// An approval with a deadline: an event, or a timer.
func ExampleEventOf_Wait() {
	approved := durable.Event[string]("Approved")
	request := durable.Orchestration("Request", func(ctx *durable.Context, patience time.Duration) (string, error) {
		who, err := approved.Wait(ctx, patience)
		if errors.Is(err, durable.ErrTimeout) {
			return "nobody approved", nil
		}
		return "approved by " + who, err
	})

	ctx := context.Background()
	hub := inMemory(request)
	defer hub.Close(ctx)
	one, _ := request.Start(ctx, hub, 72*time.Hour)
	two, _ := request.Start(ctx, hub, time.Millisecond)
	if err := approved.Raise(ctx, hub, one.ID(), "Grace"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(one.Wait(ctx))
	fmt.Println(two.Wait(ctx))
	// Output:
	// approved by Grace <nil>
	// nobody approved <nil>
}

// Orchestrations send each other events.
func ExampleEventOf_Send() {
	done := durable.Event[string]("Done")
	work := durable.Orchestration("Work", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		return durable.None{}, done.Send(ctx, ctx.Parent().Instance, "half of it")
	})
	boss := durable.Orchestration("Boss", func(ctx *durable.Context, in durable.None) (string, error) {
		ended := work.Call(ctx, in)
		progress, err := done.Wait(ctx, time.Hour)
		return progress, errors.Join(err, durable.WaitAll(ctx, ended))
	})

	ctx := context.Background()
	hub := inMemory(work, boss)
	defer hub.Close(ctx)
	run, _ := boss.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: half of it <nil>
}

func ExampleSleep() {
	nap := durable.Orchestration("Nap", func(ctx *durable.Context, d time.Duration) (bool, error) {
		begin := ctx.Now()
		err := durable.Sleep(ctx, d) // may be months; nothing runs meanwhile
		return ctx.Now().Sub(begin) >= d, err
	})

	ctx := context.Background()
	hub := inMemory(nap)
	defer hub.Close(ctx)
	run, _ := nap.Start(ctx, hub, 5*time.Millisecond)
	fmt.Println(run.Wait(ctx))
	// Output: true <nil>
}

// Old code paths stay for the executions that began on them.
func ExampleContext_Patched() {
	greet := durable.Orchestration("Greet", func(ctx *durable.Context, name string) (string, error) {
		if ctx.Patched("politer") {
			return "Good evening, " + name, nil
		}
		return "Hi " + name, nil
	})

	ctx := context.Background()
	hub := inMemory(greet)
	defer hub.Close(ctx)
	run, _ := greet.Start(ctx, hub, "Ada")
	fmt.Println(run.Wait(ctx))
	// Output: Good evening, Ada <nil>
}

// Code without a version runs every version that has no code of its own.
func ExampleVersion() {
	greet := durable.DeclareOrchestration[string, string]("Greet")
	hi := func(ctx *durable.Context, name string) (string, error) { return "Hi " + name + ctx.Version(), nil }
	hello := func(_ *durable.Context, name string) (string, error) { return "Hello " + name, nil }

	ctx := context.Background()
	hub := inMemory(greet.By(hi), greet.By(hello, durable.Version("2.0")))
	defer hub.Close(ctx)
	for _, v := range []durable.Version{"", "1.0", "2.0"} {
		run, _ := greet.Start(ctx, hub, "Ada", v)
		fmt.Println(run.Wait(ctx))
	}
	// Output:
	// Hi Ada <nil>
	// Hi Ada1.0 <nil>
	// Hello Ada <nil>
}

// Time and GUIDs are the same in every replay.
func ExampleContext_NewGUID() {
	unique := durable.Orchestration("Unique", func(ctx *durable.Context, _ durable.None) (bool, error) {
		a, b := ctx.NewGUID(), ctx.NewGUID()
		ctx.Logger().Info("made two", "a", a, "b", b, "at", ctx.Now()) // silent in a replay
		return len(a) == 36 && a != b && strings.Count(a, "-") == 4, nil
	})

	ctx := context.Background()
	hub := inMemory(unique)
	defer hub.Close(ctx)
	run, _ := unique.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: true <nil>
}
