package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Transfers between accounts in critical sections.

type account struct{ Balance int }

type transfer struct {
	From, To string
	Amount   int
}

const (
	accountCount = 8
	firstBalance = 1000
)

var (
	accounts = durable.Entity[account]("Account")
	deposit  = durable.Operation(accounts, "Deposit", func(a *account, _ *durable.EntityContext, n int) (int, error) {
		a.Balance += n
		return a.Balance, nil
	})
	balance = durable.Getter(accounts, "Balance", func(a *account, _ *durable.EntityContext) (int, error) { return a.Balance, nil })
	move    = durable.Orchestration("Move", func(ctx *durable.Context, t transfer) (bool, error) {
		from, to := accounts.Key(t.From), accounts.Key(t.To)
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return false, err
		}
		defer unlock()
		has, err := balance.Call(ctx, from).Await()
		if err != nil || has < t.Amount {
			return false, err
		}
		_, err = durable.All(ctx, deposit.Call(ctx, from, -t.Amount), deposit.Call(ctx, to, t.Amount))
		return err == nil, err
	})
	// fund gives the accounts what they have at first.
	fund = durable.Orchestration("Fund", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		calls := make([]*durable.Future[int], accountCount)
		for i := range calls {
			calls[i] = deposit.Call(ctx, accounts.Key(fmt.Sprint(i)), firstBalance)
		}
		_, err := durable.All(ctx, calls...)
		return durable.None{}, err
	})
	bankCode = netherite.Serve(move, fund, accounts)
)

// bank is a hub with accounts, and the transfers that it has acknowledged.
type bank struct {
	hub *netherite.Hub

	mu           sync.Mutex
	acknowledged []string
}

func openBank(t testing.TB, dir string, opts ...netherite.Option) *bank {
	t.Helper()
	return &bank{hub: open(t, dir, append([]netherite.Option{bankCode}, opts...)...)}
}

func (b *bank) fund(t testing.TB) {
	t.Helper()
	run, err := fund.Start(t.Context(), b.hub, durable.None{}, durable.ID("fund"))
	if err == nil {
		_, err = run.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run makes transfers until ctx ends or count are started; some are not waited for.
func (b *bank) run(ctx context.Context, t testing.TB, name string, clients, count int) {
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < count && ctx.Err() == nil; i += clients {
				id := fmt.Sprintf("%s-%d", name, i)
				way := transfer{fmt.Sprint(i % accountCount), fmt.Sprint((i + 1 + i/3%(accountCount-1)) % accountCount), 1 + i%9}
				run, err := move.Start(ctx, b.hub, way, durable.ID(id))
				if err == nil {
					b.mu.Lock()
					b.acknowledged = append(b.acknowledged, id)
					b.mu.Unlock()
					if i%3 > 0 {
						_, err = run.Wait(ctx)
					}
				}
				if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrClosed) {
					t.Errorf("%s: %v", id, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// known returns what is acknowledged now.
func (b *bank) known() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.acknowledged...)
}

// check waits for all transfers that the hub knows, which have to be these at
// least, and counts the money.
func (b *bank) check(t testing.TB, want []string) {
	t.Helper()
	there := map[string]bool{}
	for inst, err := range durable.Query(t.Context(), b.hub, engine.Query{Names: []string{move.Name()}}) {
		if err != nil {
			t.Fatal(err)
		}
		there[inst.ID] = true
	}
	for id := range there {
		end, err := b.hub.Engine().Wait(t.Context(), id, engine.UntilEnded, engine.GetOptions{})
		if err != nil || end.Status != model.Completed {
			t.Fatalf("%s: %+v, %v", id, end, err)
		}
	}
	for _, id := range want {
		if !there[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	sum := 0
	for i := range accountCount {
		a, _, err := accounts.Read(t.Context(), b.hub, accounts.Key(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		sum += a.Balance
	}
	if sum != accountCount*firstBalance {
		t.Errorf("the accounts have %d together, want %d", sum, accountCount*firstBalance)
	}
}
