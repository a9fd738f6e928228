//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// The Bank is small, so that transfers meet.
const (
	accountsOpened = 24
	accountOpening = 10_000
	transferMost   = 50
	auditWidth     = 4
)

func accountKey(i int) string { return fmt.Sprintf("c%02d", i) }

// transfer draws one between two accounts.
func (c *client) transfer() bench.Transfer {
	from := c.rng.IntN(accountsOpened)
	to := (from + 1 + c.rng.IntN(accountsOpened-1)) % accountsOpened
	return bench.Transfer{Source: accountKey(from), Dest: accountKey(to), Amount: 1 + c.rng.Int64N(transferMost)}
}

// transferred checks a transfer, and says what it moved.
func transferred(t bench.Transfer) func(*model.Instance) (int64, error) {
	return func(m *model.Instance) (int64, error) {
		var done bool
		if err := json.Unmarshal(m.Output, &done); m.Status != model.Completed || err != nil {
			return 0, fmt.Errorf("it ended as %s with %s%s", m.Status, m.Output, failureOf(m))
		}
		if !done {
			return 0, nil
		}
		return t.Amount, nil
	}
}

// woke checks a Nap: it did not go on before the time that it was to wait for.
func (r *run) woke(until time.Time) func(*model.Instance) (int64, error) {
	return func(m *model.Instance) (int64, error) {
		var at time.Time
		if err := json.Unmarshal(m.Output, &at); m.Status != model.Completed || err != nil {
			return 0, fmt.Errorf("it ended as %s with %s%s", m.Status, m.Output, failureOf(m))
		}
		if now := time.Now(); at.Before(until) || now.Before(until) {
			return 0, fmt.Errorf("it was to wait until %v, went on at %v, and had ended at %v", until, at, now)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.timers++
		return 0, nil
	}
}

// openAccounts opens all accounts.
func (c *client) openAccounts(ctx context.Context) error {
	for i := range accountsOpened {
		key := c.key()
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
			return bench.AccountOpen.Post(ctx, hub, bench.Accounts.Key(accountKey(i)), accountOpening, key)
		})
		if o != acknowledged {
			return fmt.Errorf("open account %d: %s: %w", i, o, err)
		}
	}
	return nil
}

// balance compares the accounts with what the transfers have moved.
func (c *client) balance(ctx context.Context, moved int64) error {
	var total, in int64
	for i := range accountsOpened {
		var a bench.BankAccount
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) (err error) {
			a, _, err = bench.Accounts.Read(ctx, hub, bench.Accounts.Key(accountKey(i)))
			return err
		})
		if o != acknowledged {
			return fmt.Errorf("read account %d: %s: %w", i, o, err)
		}
		if a.Balance < 0 || a.In-a.Out != a.Balance {
			return fmt.Errorf("account %d: %d in, %d out, balance %d", i, a.In, a.Out, a.Balance)
		}
		total, in = total+a.Balance, in+a.In
	}
	if want := int64(accountsOpened * accountOpening); total != want {
		return fmt.Errorf("the accounts hold %d, of %d", total, want)
	}
	if paid := in - accountsOpened*accountOpening; paid != moved {
		return fmt.Errorf("the accounts were paid %d, the transfers that succeeded moved %d", paid, moved)
	}
	return nil
}
