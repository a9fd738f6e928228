package durable_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
)

// inMemory opens a hub that is gone when it is closed. A program would give
// Open a directory.
func inMemory(handlers ...durable.Handler) *netherite.Hub {
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Logger(slog.New(slog.DiscardHandler)), netherite.Serve(handlers...))
	if err != nil {
		panic(err)
	}
	return hub
}

func Example() {
	// An activity may do anything. Its result is recorded once.
	hello := durable.Activity("Hello", func(_ context.Context, city string) (string, error) {
		return "Hello " + city + "!", nil
	})
	// An orchestration is deterministic code that survives any crash.
	tour := durable.Orchestration("Tour", func(ctx *durable.Context, cities []string) (greetings []string, err error) {
		for _, city := range cities {
			greeting, err := hello.Call(ctx, city).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, greeting)
		}
		return greetings, nil
	})

	ctx := context.Background()
	hub := inMemory(hello, tour)
	defer hub.Close(ctx)
	run, err := tour.Start(ctx, hub, []string{"Seattle", "Tokyo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(ctx))
	// Output: [Hello Seattle! Hello Tokyo!] <nil>
}

// shop has what its activities depend on.
type shop struct{ price int }

func (s *shop) charge(_ context.Context, items int) (int, error) { return s.price * items, nil }

// The handle is all that orchestrations need. The code comes where its
// dependencies are, here as a method value.
func ExampleDeclareActivity() {
	charge := durable.DeclareActivity[int, int]("Charge")
	buy := durable.Orchestration("Buy", func(ctx *durable.Context, items int) (int, error) {
		return charge.Call(ctx, items).Await()
	})

	ctx := context.Background()
	hub := inMemory(buy, charge.By((&shop{price: 20}).charge))
	defer hub.Close(ctx)
	run, _ := buy.Start(ctx, hub, 3)
	fmt.Println(run.Wait(ctx))
	// Output: 60 <nil>
}

// Named errors are found wherever they arrive: live, replayed, or in another
// process.
func ExampleNewError() {
	errFunds := durable.NewError("insufficient-funds")
	pay := durable.Activity("Pay", func(_ context.Context, amount int) (int, error) {
		return 0, fmt.Errorf("pay %d: %w", amount, errFunds.With("missing", amount-10))
	})
	order := durable.Orchestration("Order", func(ctx *durable.Context, amount int) (string, error) {
		_, err := pay.Call(ctx, amount).Await()
		if errors.Is(err, errFunds) {
			missing, _ := durable.Property[int](err, "missing")
			return fmt.Sprintf("refused, %d missing", missing), nil
		}
		return "paid", err
	})

	ctx := context.Background()
	hub := inMemory(pay, order)
	defer hub.Close(ctx)
	run, _ := order.Start(ctx, hub, 25)
	fmt.Println(run.Wait(ctx))
	// Output: refused, 15 missing <nil>
}

func ExampleRetry() {
	flaky := durable.Activity("Flaky", func(ctx context.Context, _ durable.None) (string, error) {
		if n := durable.Attempt(ctx); n < 3 {
			return "", fmt.Errorf("attempt %d failed", n)
		}
		return "the third attempt worked", nil
	})
	patient := durable.Orchestration("Patient", func(ctx *durable.Context, in durable.None) (string, error) {
		return flaky.Call(ctx, in, durable.Retry{
			Attempts: 5, First: time.Millisecond, Factor: 2, Max: time.Minute, Within: time.Hour,
			If: func(f durable.Failed) bool { return !errors.Is(f.Err, durable.ErrPanic) },
		}).Await()
	})

	ctx := context.Background()
	hub := inMemory(flaky, patient)
	defer hub.Close(ctx)
	run, _ := patient.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: the third attempt worked <nil>
}

// A NonRetriable error ends the call whatever its Retry says.
func ExampleNonRetriable() {
	invalid := durable.NewError("invalid-card")
	var attempts atomic.Int64
	charge := durable.Activity("Charge", func(context.Context, durable.None) (string, error) {
		attempts.Add(1)
		return "", durable.NonRetriable(invalid)
	})
	buy := durable.Orchestration("Buy", func(ctx *durable.Context, in durable.None) (string, error) {
		return charge.Call(ctx, in, durable.Retry{Attempts: 5}).Await()
	})

	ctx := context.Background()
	hub := inMemory(charge, buy)
	defer hub.Close(ctx)
	run, _ := buy.Start(ctx, hub, durable.None{})
	_, err := run.Wait(ctx)
	fmt.Println(errors.Is(err, invalid), attempts.Load())
	// Output: true 1
}

// Timeout bounds one attempt, also of a function that ignores its context.
func ExampleTimeout() {
	slow := durable.Activity("Slow", func(ctx context.Context, _ durable.None) (string, error) {
		<-ctx.Done() // or a call of something that hangs
		return "", ctx.Err()
	})
	impatient := durable.Orchestration("Impatient", func(ctx *durable.Context, in durable.None) (bool, error) {
		_, err := slow.Call(ctx, in, durable.Timeout(time.Millisecond)).Await()
		return errors.Is(err, durable.ErrTimeout), nil
	})

	ctx := context.Background()
	hub := inMemory(slow, impatient)
	defer hub.Close(ctx)
	run, _ := impatient.Start(ctx, hub, durable.None{})
	fmt.Println(run.Wait(ctx))
	// Output: true <nil>
}

// The key is the same for every attempt of a call, so that a service that knows
// keys acts once. AfterCommit makes it stable without condition.
func ExampleIdempotencyKey() {
	var charged = map[string]int{}
	charge := durable.Activity("Charge", func(ctx context.Context, amount int) (int, error) {
		charged[durable.IdempotencyKey(ctx)] = amount
		if durable.Attempt(ctx) == 1 {
			return 0, errors.New("the answer was lost")
		}
		return amount, nil
	}, durable.AfterCommit, durable.Retry{Attempts: 3, First: time.Millisecond})
	buy := durable.Orchestration("Buy", func(ctx *durable.Context, amount int) (int, error) {
		return charge.Call(ctx, amount).Await()
	})

	ctx := context.Background()
	hub := inMemory(charge, buy)
	defer hub.Close(ctx)
	run, _ := buy.Start(ctx, hub, 42)
	got, err := run.Wait(ctx)
	fmt.Println(got, err, "charged", len(charged), "time")
	// Output: 42 <nil> charged 1 time
}
