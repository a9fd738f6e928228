package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// bank is the Bank workload.
type bank struct {
	mu      sync.Mutex
	rng     *rand.Rand
	paidIn  int64        // to all accounts before the first transfer
	moved   atomic.Int64 // by transfers that succeeded
	unknown atomic.Int64 // transfers of which the outcome is not known
	done    atomic.Int64
	refused atomic.Int64

	// Audits go on beside the transfers and are in nobody's latency.
	auditing sync.WaitGroup
	audits   atomic.Int64
	found    atomic.Pointer[error] // the first that an audit found wrong
}

func newBank() *bank { return &bank{rng: rand.New(rand.NewPCG(1, 2))} }

func (*bank) handlers() []durable.Handler {
	return []durable.Handler{accounts, transferMoney, auditAccounts}
}

func accountKey(i int) string { return fmt.Sprintf("a%04d", i) }

// bankClients is how many requests at a time open or read all accounts.
const bankClients = 32

// setup opens the accounts, unless the hub has them from an earlier run.
func (b *bank) setup(ctx context.Context, e *env) error {
	err := spread(ctx, bankClients, bankAccounts, func(i int) error {
		key := accounts.Key(accountKey(i))
		_, there, err := accounts.Read(ctx, e.hub, key)
		if err != nil || there {
			return err
		}
		return accountOpen.Post(ctx, e.hub, key, bankOpening)
	})
	if err != nil {
		return fmt.Errorf("open the accounts: %w", err)
	}
	books, err := readBooks(ctx, e.hub)
	b.paidIn = books.in
	return err
}

// pick draws a transfer between accounts of different partitions, where there
// is more than one.
func (b *bank) pick(partitions int) Transfer {
	b.mu.Lock()
	defer b.mu.Unlock()
	place := func(i int) int { return model.PartitionOf(accounts.Key(accountKey(i)).InstanceID(), partitions) }
	s, d := b.rng.IntN(bankAccounts), b.rng.IntN(bankAccounts)
	for s == d || partitions > 1 && place(s) == place(d) {
		d = b.rng.IntN(bankAccounts)
	}
	return Transfer{Source: accountKey(s), Dest: accountKey(d), Amount: 1 + b.rng.Int64N(bankMost)}
}

// auditEvery is after how many transfers an audit is made.
const auditEvery = 500

func (b *bank) op(ctx context.Context, e *env, _, n int) (int64, error) {
	t := b.pick(e.cfg.Partitions)
	run, err := transferMoney.Start(ctx, e.hub, t)
	if err != nil {
		if !isRefusal(err) {
			b.unknown.Add(1)
		}
		return 0, err
	}
	if n%auditEvery == 0 {
		b.auditing.Go(func() {
			if err := b.audit(ctx, e); err != nil && ctx.Err() == nil {
				b.found.CompareAndSwap(nil, &err)
			}
		})
	}
	ok, err := run.Wait(ctx)
	if err != nil {
		b.unknown.Add(1)
		return 0, err
	}
	e.samples.add(run.ID())
	b.done.Add(1)
	if ok {
		b.moved.Add(t.Amount)
	} else {
		b.refused.Add(1)
	}
	return 1, nil
}

func (b *bank) audit(ctx context.Context, e *env) error {
	b.mu.Lock()
	keys := make([]string, auditWidth)
	for i, n := range b.rng.Perm(bankAccounts)[:auditWidth] {
		keys[i] = accountKey(n)
	}
	b.mu.Unlock()
	return admitted(ctx, func() error {
		run, err := auditAccounts.Start(ctx, e.hub, keys)
		if err != nil {
			return err
		}
		found, err := run.Wait(ctx)
		if err == nil && found != "" {
			err = fmt.Errorf("audit: %s", found)
		}
		b.audits.Add(1)
		return err
	})
}

// check waits for the audits, adds up all accounts and compares them with the
// transfers that succeeded.
func (b *bank) check(ctx context.Context, e *env) error {
	b.auditing.Wait()
	if found := b.found.Load(); found != nil {
		return *found
	}
	if b.audits.Load() == 0 && b.done.Load() > 0 {
		return errors.New("no audit was made during the run")
	}
	if done, refused := b.done.Load(), b.refused.Load(); refused*100 >= max(done, 1) {
		return fmt.Errorf("%d of %d transfers were refused, 1 %% or more", refused, done)
	}
	books, err := readBooks(ctx, e.hub)
	if err != nil {
		return err
	}
	if err := books.check(); err != nil || b.unknown.Load() > 0 {
		return err
	}
	if paid, moved := books.in-b.paidIn, b.moved.Load(); paid != moved {
		return fmt.Errorf("the accounts were paid %d, the transfers that succeeded moved %d", paid, moved)
	}
	return nil
}

// books are all accounts added up.
type books struct{ in, out, balance int64 }

// add takes an account into the books and reports what is wrong with it.
func (b *books) add(key string, a BankAccount) error {
	if a.Balance < 0 || a.In-a.Out != a.Balance {
		return fmt.Errorf("account %s: %d in, %d out, balance %d", key, a.In, a.Out, a.Balance)
	}
	b.in, b.out, b.balance = b.in+a.In, b.out+a.Out, b.balance+a.Balance
	return nil
}

// check verifies that no money was made or lost.
func (b *books) check() error {
	if want := int64(bankAccounts * bankOpening); b.balance != want {
		return fmt.Errorf("all accounts together have %d, expected %d", b.balance, want)
	}
	return nil
}

// readBooks reads all accounts.
func readBooks(ctx context.Context, hub durable.Hub) (b books, err error) {
	var mu sync.Mutex
	err = spread(ctx, bankClients, bankAccounts, func(i int) error {
		key := accountKey(i)
		a, _, err := accounts.Read(ctx, hub, accounts.Key(key))
		if err != nil {
			return fmt.Errorf("read account %s: %w", key, err)
		}
		mu.Lock()
		defer mu.Unlock()
		return b.add(key, a)
	})
	return b, err
}
