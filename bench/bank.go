package bench

import (
	"fmt"

	"github.com/netherite-go/netherite/durable"
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
