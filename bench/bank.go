package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// The bank: transfers between accounts of different partitions, each in a
// critical section over both, and an auditor who locks a few at random.
const (
	bankAccounts = 1_000
	bankOpening  = 1_000_000
	bankMost     = 100 // the greatest amount of a transfer
	auditWidth   = 20
)

// BankAccount is an account's state. What was paid in and out is kept apart
// from the balance, so that an audit of a single account means something.
type BankAccount struct {
	Balance int64 `json:"balance"`
	In      int64 `json:"in"`
	Out     int64 `json:"out"`
}

// Open puts the opening balance into a new account.
func (a *BankAccount) Open(_ *durable.EntityContext, amount int64) (int64, error) {
	a.Balance, a.In = amount, amount
	return a.Balance, nil
}

// Add pays an amount in, or out if it is negative.
func (a *BankAccount) Add(_ *durable.EntityContext, amount int64) (int64, error) {
	if a.Balance+amount < 0 {
		return 0, fmt.Errorf("balance %d does not cover %d", a.Balance, -amount)
	}
	a.Balance += amount
	if amount >= 0 {
		a.In += amount
	} else {
		a.Out -= amount
	}
	return a.Balance, nil
}

// Get returns the account.
func (a *BankAccount) Get(*durable.EntityContext) (BankAccount, error) { return *a, nil }

// Transfer asks for an amount to be moved between two accounts.
type Transfer struct {
	Source string `json:"source"`
	Dest   string `json:"dest"`
	Amount int64  `json:"amount"`
}

var (
	accounts    = durable.Entity[BankAccount]("Account")
	accountOpen = durable.Operation(accounts, "Open", (*BankAccount).Open)
	accountAdd  = durable.Operation(accounts, "Add", (*BankAccount).Add)
	accountGet  = durable.Getter(accounts, "Get", (*BankAccount).Get)

	transferMoney = durable.Orchestration("Transfer", transfer)
	auditAccounts = durable.Orchestration("Audit", audit)
)

// transfer moves money if the source has enough; false means refused.
func transfer(ctx *durable.Context, t Transfer) (bool, error) {
	source, dest := accounts.Key(t.Source), accounts.Key(t.Dest)
	unlock, err := durable.Lock(ctx, source, dest)
	if err != nil {
		return false, err
	}
	defer unlock()
	from, err := accountGet.Call(ctx, source).Await()
	if err != nil || from.Balance < t.Amount {
		return false, err
	}
	_, err = durable.All(ctx, accountAdd.Call(ctx, source, -t.Amount), accountAdd.Call(ctx, dest, t.Amount))
	return err == nil, err
}

// audit locks accounts, reads each twice, and reports what does not add up.
func audit(ctx *durable.Context, keys []string) (string, error) {
	locked := make([]durable.Key[BankAccount], len(keys))
	targets := make([]durable.Lockable, len(keys))
	for i, k := range keys {
		locked[i] = accounts.Key(k)
		targets[i] = locked[i]
	}
	unlock, err := durable.Lock(ctx, targets...)
	if err != nil {
		return "", err
	}
	defer unlock()
	var rounds [2][]BankAccount
	for r := range rounds {
		calls := make([]*durable.Future[BankAccount], len(keys))
		for i := range locked {
			calls[i] = accountGet.Call(ctx, locked[i])
		}
		if rounds[r], err = durable.All(ctx, calls...); err != nil {
			return "", err
		}
	}
	for i, a := range rounds[0] {
		if a.Balance < 0 || a.In-a.Out != a.Balance {
			return fmt.Sprintf("account %s: %d in, %d out, balance %d", keys[i], a.In, a.Out, a.Balance), nil
		}
		if a != rounds[1][i] {
			return fmt.Sprintf("account %s changed while it was locked", keys[i]), nil
		}
	}
	return "", nil
}

// bank is the Bank workload.
type bank struct {
	mu      sync.Mutex
	rng     *rand.Rand
	done    atomic.Int64
	refused atomic.Int64
	audits  atomic.Int64
}

func newBank() *bank { return &bank{rng: rand.New(rand.NewPCG(1, 2))} }

func (*bank) handlers() []durable.Handler {
	return []durable.Handler{accounts, transferMoney, auditAccounts}
}

func accountKey(i int) string { return fmt.Sprintf("a%04d", i) }

// setup opens the accounts, unless the hub has them from an earlier run.
func (b *bank) setup(ctx context.Context, e *env) error {
	if _, there, err := accounts.Read(ctx, e.hub, accounts.Key(accountKey(bankAccounts-1))); err != nil || there {
		return err
	}
	for i := range bankAccounts {
		if err := accountOpen.Post(ctx, e.hub, accounts.Key(accountKey(i)), bankOpening); err != nil {
			return fmt.Errorf("open account %d: %w", i, err)
		}
	}
	return nil
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
	if n%auditEvery == auditEvery-1 {
		if err := b.audit(ctx, e); err != nil {
			return 0, err
		}
	}
	run, err := transferMoney.Start(ctx, e.hub, b.pick(e.cfg.Partitions))
	if err != nil {
		return 0, err
	}
	e.samples.add(run.ID())
	ok, err := run.Wait(ctx)
	if err != nil {
		return 0, err
	}
	b.done.Add(1)
	if !ok {
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
}

// check adds up all accounts.
func (b *bank) check(ctx context.Context, e *env) error {
	if done, refused := b.done.Load(), b.refused.Load(); refused*100 >= max(done, 1) {
		return fmt.Errorf("%d of %d transfers were refused, 1 %% or more", refused, done)
	}
	return CheckBank(ctx, e.hub)
}

// CheckBank verifies that no money was made or lost.
func CheckBank(ctx context.Context, hub durable.Hub) error {
	var total int64
	for i := range bankAccounts {
		a, _, err := accounts.Read(ctx, hub, accounts.Key(accountKey(i)))
		if err != nil {
			return fmt.Errorf("read account %d: %w", i, err)
		}
		if a.Balance < 0 || a.In-a.Out != a.Balance {
			return fmt.Errorf("account %d: %d in, %d out, balance %d", i, a.In, a.Out, a.Balance)
		}
		total += a.Balance
	}
	if want := int64(bankAccounts * bankOpening); total != want {
		return fmt.Errorf("all accounts together have %d, expected %d", total, want)
	}
	return nil
}
