package durable_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// Cart is an entity's state. Its methods are the operations.
type Cart struct{ Items map[string]int }

var errSoldOut = durable.NewError("sold-out")

// Put adds to the cart. A failed operation leaves no trace.
func (c *Cart) Put(_ *durable.EntityContext, item string) (int, error) {
	if c.Items == nil {
		c.Items = map[string]int{}
	}
	c.Items[item]++
	if c.Items[item] > 2 {
		return 0, fmt.Errorf("%s: %w", item, errSoldOut)
	}
	return c.Items[item], nil
}

// Count reads.
func (c *Cart) Count(*durable.EntityContext) (int, error) {
	n := 0
	for _, k := range c.Items {
		n += k
	}
	return n, nil
}

// Checkout starts an orchestration and empties the cart.
func (c *Cart) Checkout(ctx *durable.EntityContext, order string) (durable.None, error) {
	n, err := c.Count(ctx)
	if err != nil {
		return durable.None{}, err
	}
	if _, err := shipping.Detach(ctx, n, durable.ID(order)); err != nil {
		return durable.None{}, err
	}
	ctx.Delete()
	return durable.None{}, nil
}

var (
	carts    = durable.Entity[Cart]("Cart")
	put      = durable.Operation(carts, "Put", (*Cart).Put)
	count    = durable.Getter(carts, "Count", (*Cart).Count)
	checkout = durable.Operation(carts, "Checkout", (*Cart).Checkout)
	shipping = durable.Orchestration("Shipping", func(_ *durable.Context, n int) (string, error) {
		return fmt.Sprintf("shipped %d items", n), nil
	})
)

func ExampleEntity() {
	fill := durable.Orchestration("Fill", func(ctx *durable.Context, cart string) (string, error) {
		key := carts.Key(cart)
		for range 3 {
			if _, err := put.Call(ctx, key, "tea").Await(); errors.Is(err, errSoldOut) {
				n, err := count.Call(ctx, key).Await()
				return fmt.Sprintf("sold out, %d in the cart", n), err
			}
		}
		return "", errors.New("too much tea")
	})

	ctx := context.Background()
	hub := inMemory(carts, fill, shipping)
	defer hub.Close(ctx)
	run, _ := fill.Start(ctx, hub, "ada")
	fmt.Println(run.Wait(ctx))
	cart, ok, err := carts.Read(ctx, hub, carts.Key("ada"))
	fmt.Println(cart.Items, ok, err)
	// Output:
	// sold out, 2 in the cart <nil>
	// map[tea:2] true <nil>
}

// Post is a signal from outside; here the operation starts an orchestration and
// deletes the entity's state.
func ExampleOperationOf_Post() {
	ctx := context.Background()
	hub := inMemory(carts, shipping)
	defer hub.Close(ctx)
	key := carts.Key("grace")
	err := errors.Join(put.Post(ctx, hub, key, "tea"), put.Post(ctx, hub, key, "milk"), checkout.Post(ctx, hub, key, "order-7"))
	if err != nil {
		fmt.Println(err)
	}
	_, ok, err := carts.Read(ctx, hub, key) // waits until the operations have been applied
	fmt.Println(ok, err)
	fmt.Println(arrived(ctx, shipping.Attach(hub, "order-7")))
	// Output:
	// false <nil>
	// shipped 2 items <nil>
}

// A signal may be due later. A call that is sent after a signal is applied after
// it, if both are due at once.
func ExampleOperationOf_Signal() {
	later := durable.Orchestration("Later", func(ctx *durable.Context, cart string) (int, error) {
		key := carts.Key(cart)
		if err := put.Signal(ctx, key, "tea"); err != nil {
			return 0, err
		}
		if err := put.Signal(ctx, key, "milk", durable.At(ctx.Now().Add(time.Hour))); err != nil {
			return 0, err
		}
		return count.Call(ctx, key).Await()
	})

	ctx := context.Background()
	hub := inMemory(carts, later)
	defer hub.Close(ctx)
	run, _ := later.Start(ctx, hub, "linus")
	fmt.Println(run.Wait(ctx))
	// Output: 1 <nil>
}

// In a critical section nobody else uses the entities, so that what is read still
// holds when it is acted upon.
func ExampleLock() {
	swap := durable.Orchestration("Move", func(ctx *durable.Context, item string) (int, error) {
		from, to := carts.Key("from"), carts.Key("to")
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return 0, err
		}
		defer unlock()
		n, err := count.Call(ctx, from).Await()
		if err != nil || n > 0 {
			return n, err
		}
		return put.Call(ctx, to, item).Await()
	})

	ctx := context.Background()
	hub := inMemory(carts, swap)
	defer hub.Close(ctx)
	run, _ := swap.Start(ctx, hub, "tea")
	fmt.Println(run.Wait(ctx))
	// Output: 1 <nil>
}

// Meter validates before it changes anything, and says so.
type Meter struct{ Readings []int }

func (m *Meter) Record(_ *durable.EntityContext, reading int) (int, error) {
	if n := len(m.Readings); n > 0 && reading < m.Readings[n-1] {
		return 0, errors.New("a meter does not run backwards")
	}
	m.Readings = append(m.Readings, reading)
	return len(m.Readings), nil
}

func ExampleEntityOf_List() {
	meters := durable.Entity[Meter]("Meter", durable.ValidatesFirst)
	record := durable.Operation(meters, "Record", (*Meter).Record)
	read := durable.Orchestration("Read", func(ctx *durable.Context, readings []int) (int, error) {
		var fs []durable.Awaitable
		for _, r := range readings {
			fs = append(fs, record.Call(ctx, meters.Key("kitchen"), r))
		}
		err := durable.WaitAll(ctx, fs...)
		if err != nil {
			return 0, nil
		}
		return len(readings), nil
	})

	ctx := context.Background()
	hub := inMemory(meters, read)
	defer hub.Close(ctx)
	run, _ := read.Start(ctx, hub, []int{10, 20, 15, 30})
	fmt.Println(run.Wait(ctx))
	for m, err := range meters.List(ctx, hub, "") {
		fmt.Println(m.Key, m.State.Readings, err)
	}
	// Output:
	// 0 <nil>
	// @meter@kitchen [10 20 30] <nil>
}
