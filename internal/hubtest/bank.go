package hubtest

import "github.com/netherite-go/netherite/durable"

// Move is money that Transfer moves from one account to another.
type Move struct {
	From, To string
	Amount   int64
}

// Accounts, and what one can do with them. Their sum is what was added to it.
var (
	Accounts = durable.Entity[int64]("account")
	Add      = durable.Operation(Accounts, "add", func(s *int64, _ *durable.EntityContext, n int64) (int64, error) {
		*s += n
		return *s, nil
	})
	Balance = durable.Getter(Accounts, "balance", func(s *int64, _ *durable.EntityContext) (int64, error) { return *s, nil })

	// Transfer moves an amount in a critical section, if there is enough; it says
	// whether there was.
	Transfer = durable.Orchestration("Transfer", func(ctx *durable.Context, m Move) (bool, error) {
		from, to := Accounts.Key(m.From), Accounts.Key(m.To)
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return false, err
		}
		defer unlock()
		n, err := Balance.Call(ctx, from).Await()
		if err != nil || n < m.Amount {
			return false, err
		}
		_, err = durable.All(ctx, Add.Call(ctx, from, -m.Amount), Add.Call(ctx, to, m.Amount))
		return err == nil, err
	})
)
