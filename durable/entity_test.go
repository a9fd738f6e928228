package durable_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

var errFunds = durable.NewError("insufficient-funds")

type account struct{ Balance int }

func (a *account) Add(_ *durable.EntityContext, amount int) (int, error) {
	a.Balance += amount
	if a.Balance < 0 {
		return 0, fmt.Errorf("account has %d: %w", a.Balance, errFunds.With("missing", -a.Balance))
	}
	return a.Balance, nil
}

func (a *account) Get(*durable.EntityContext) (int, error) { return a.Balance, nil }

var (
	accounts = durable.Entity[account]("Account")
	add      = durable.Operation(accounts, "Add", (*account).Add)
	balance  = durable.Getter(accounts, "Get", (*account).Get)
	nothing  = durable.DeclareOperation[int, int](accounts, "Nothing")
)

type move struct {
	Source, Dest string
	Amount       int
}

var transfer = durable.Orchestration("Transfer", func(ctx *durable.Context, t move) (bool, error) {
	source, dest := accounts.Key(t.Source), accounts.Key(t.Dest)
	unlock, err := durable.Lock(ctx, source, dest)
	if err != nil {
		return false, err
	}
	defer unlock()
	b, err := balance.Call(ctx, source).Await()
	if err != nil || b < t.Amount {
		return false, err
	}
	_, err = durable.All(ctx, add.Call(ctx, source, -t.Amount), add.Call(ctx, dest, +t.Amount))
	return err == nil, err
})

// settled answers when no account before n is locked any more: a call waits behind the lock, and the message that
// releases it may still be under way when the orchestration that held it is complete.
var settled = durable.Orchestration("Settled", func(ctx *durable.Context, n int) (int, error) {
	var reads []*durable.Future[int]
	for i := range n {
		reads = append(reads, balance.Call(ctx, accounts.Key(fmt.Sprint(i))))
	}
	all, err := durable.All(ctx, reads...)
	total := 0
	for _, b := range all {
		total += b
	}
	return total, err
})

func TestTransfersConserveMoney(t *testing.T) {
	bothWays(t, []durable.Handler{accounts, transfer, settled}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		const n = 5
		for i := range n {
			if err := add.Post(ctx, hub, accounts.Key(fmt.Sprint(i)), 100); err != nil {
				t.Fatal(err)
			}
		}
		var runs []*durable.Run[bool]
		for i := range 40 {
			run, err := transfer.Start(ctx, hub, move{fmt.Sprint(i % n), fmt.Sprint((i + 1 + i%(n-1)) % n), 7 + i})
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run)
		}
		for i, run := range runs {
			if _, err := run.Wait(ctx); err != nil {
				t.Fatalf("transfer %d: %v", i, err)
			}
		}
		settle, err := settled.Start(ctx, hub, n)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := settle.Wait(ctx); err != nil || sum != n*100 {
			t.Fatalf("sum %d, %v", sum, err)
		}
		total := 0
		for r, err := range accounts.List(ctx, hub, "") {
			if err != nil {
				t.Fatal(err)
			}
			total += r.State.Balance
			if r.State.Balance < 0 || r.Instance.Entity.LockedBy != "" {
				t.Errorf("%v: %+v", r.Key, r.State)
			}
		}
		if total != n*100 {
			t.Errorf("total %d", total)
		}
	})
}

var overdraw = durable.Orchestration("Overdraw", func(ctx *durable.Context, key string) (string, error) {
	if _, err := add.Call(ctx, accounts.Key(key), 5).Await(); err != nil {
		return "", err
	}
	_, err := add.Call(ctx, accounts.Key(key), -9).Await()
	if !errors.Is(err, errFunds) {
		return "", fmt.Errorf("not the error expected: %w", err)
	}
	missing, _ := durable.Property[int](err, "missing")
	if _, err := nothing.Call(ctx, accounts.Key(key), 1).Await(); !errors.Is(err, durable.ErrUnknownOperation) {
		return "", fmt.Errorf("not the error expected: %w", err)
	}
	b, err2 := balance.Call(ctx, accounts.Key(key)).Await()
	if err2 != nil {
		return "", err2
	}
	return fmt.Sprint(b, missing), err
})

func TestFailedOperationLeavesStateAndNamesTheError(t *testing.T) {
	bothWays(t, []durable.Handler{accounts, overdraw}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := overdraw.Start(ctx, hub, "k")
		if err != nil {
			t.Fatal(err)
		}
		_, err = run.Wait(ctx)
		var te *durable.TaskError
		if !errors.Is(err, errFunds) || !errors.As(err, &te) || te.Type != "insufficient-funds" {
			t.Fatalf("error %v", err)
		}
		state, ok, err := accounts.Read(ctx, hub, accounts.Key("k"))
		if err != nil || !ok || state.Balance != 5 {
			t.Fatalf("state %+v %v %v", state, ok, err)
		}
		if _, ok, err := accounts.Read(ctx, hub, accounts.Key("other")); ok || err != nil {
			t.Fatalf("%v %v", ok, err)
		}
	})
}

// relay is an entity that passes on what it is told.
type relay struct{ Seen []string }

func (r *relay) Pass(ctx *durable.EntityContext, to []string) (string, error) {
	r.Seen = append(r.Seen, ctx.Key())
	if len(to) == 0 {
		return "", approved.Send(ctx, ctx.Caller(), "end") // signalled by an entity: dropped
	}
	if to[0] == "fail" {
		_ = pass.Signal(ctx, relays.Key("never"), nil)
		return "", errors.New("no")
	}
	if to[0] == "start" {
		_, err := noted.Detach(ctx, ctx.Key(), durable.ID("noted-"+ctx.Key()))
		return "", err
	}
	return "", pass.Signal(ctx, relays.Key(to[0]), to[1:])
}

var (
	relays = durable.Entity[relay]("Relay")
	pass   = declarePass()
	noted  = durable.Orchestration("Noted", func(_ *durable.Context, s string) (string, error) { return "noted " + s, nil })
)

func declarePass() *durable.OperationOf[relay, []string, string] {
	return durable.DeclareOperation[[]string, string](relays, "Pass")
}

func init() { durable.Operation(relays, "Pass", (*relay).Pass) }

func TestEntitiesSignalAndStart(t *testing.T) {
	bothWays(t, []durable.Handler{relays, noted}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		if err := pass.Post(ctx, hub, relays.Key("a"), []string{"fail"}); err != nil {
			t.Fatal(err)
		}
		if err := pass.Post(ctx, hub, relays.Key("a"), []string{"b", "c", "start"}); err != nil {
			t.Fatal(err)
		}
		run := noted.Attach(hub, "noted-c")
		for {
			got, err := run.Wait(ctx)
			if err == nil {
				if got != "noted c" {
					t.Fatal(got)
				}
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []string{"a", "b", "c"} {
			s, ok, err := relays.Read(ctx, hub, relays.Key(k))
			if err != nil || !ok || len(s.Seen) != 1 {
				t.Errorf("%s: %+v %v %v", k, s, ok, err)
			}
		}
		if _, ok, err := relays.Read(ctx, hub, relays.Key("never")); ok || err != nil {
			t.Errorf("a failed operation has signalled: %v %v", ok, err)
		}
		if err := relays.Delete().Post(ctx, hub, relays.Key("a"), durable.None{}); err != nil {
			t.Fatal(err)
		}
		for {
			if _, ok, err := relays.Read(ctx, hub, relays.Key("a")); err != nil {
				t.Fatal(err)
			} else if !ok {
				break
			}
		}
	})
}

var forbidden = durable.Orchestration("Forbidden", func(ctx *durable.Context, _ durable.None) (string, error) {
	in, out := accounts.Key("in"), accounts.Key("out")
	if _, err := durable.Lock(ctx); !errors.Is(err, durable.ErrCriticalSection) {
		return "empty", err
	}
	unlock, err := durable.Lock(ctx, in, in)
	if err != nil {
		return "lock", err
	}
	if set, ok := durable.IsLocked(ctx); !ok || len(set) != 1 {
		return "set", nil
	}
	if _, err := durable.Lock(ctx, out); !errors.Is(err, durable.ErrCriticalSection) {
		return "nested", err
	}
	if _, err := add.Call(ctx, out, 1).Await(); !errors.Is(err, durable.ErrCriticalSection) {
		return "outside", err
	}
	if err := add.Signal(ctx, in, 1); !errors.Is(err, durable.ErrCriticalSection) {
		return "signal", err
	}
	if err := add.Signal(ctx, out, 1); err != nil {
		return "signal out", err
	}
	if _, err := noted.Call(ctx, "x").Await(); !errors.Is(err, durable.ErrCriticalSection) {
		return "child", err
	}
	first, second := add.Call(ctx, in, 1), add.Call(ctx, in, 1)
	if _, err := second.Await(); !errors.Is(err, durable.ErrCriticalSection) {
		return "second", err
	}
	if _, err := first.Await(); err != nil {
		return "first", err
	}
	unlock()
	unlock()
	_, err = noted.Call(ctx, "x").Await()
	return "ok", err
})

func TestCriticalSectionRefusesWhatCouldDeadlock(t *testing.T) {
	bothWays(t, []durable.Handler{accounts, forbidden, noted}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := forbidden.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(ctx); err != nil || got != "ok" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

var locker = durable.Orchestration("Locker", func(ctx *durable.Context, how string) (string, error) {
	unlock, err := durable.Lock(ctx, accounts.Key("shared"))
	if err != nil {
		return "", err
	}
	if how == "defer" {
		defer unlock()
	}
	switch how {
	case "panic":
		panic("on purpose")
	case "error":
		return "", errFunds
	case "again":
		return locker2().Again("defer")
	}
	return how, nil
})

func locker2() *durable.OrchestrationOf[string, string] {
	return durable.DeclareOrchestration[string, string]("Locker")
}

func TestEveryExitReleasesTheLocks(t *testing.T) {
	bothWays(t, []durable.Handler{accounts, locker}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		for _, how := range []string{"return", "panic", "error", "again", "defer"} {
			run, err := locker.Start(ctx, hub, how)
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.Wait(ctx)
			if want := how == "panic" || how == "error"; (err != nil) != want {
				t.Errorf("%s: %v", how, err)
			}
			if how == "panic" && !errors.Is(err, durable.ErrPanic) {
				t.Errorf("%s: %v", how, err)
			}
			events, err := run.History(ctx)
			if err != nil {
				t.Fatal(err)
			}
			unlocks := 0
			for _, ev := range events {
				if ev.Kind == model.EntityUnlockSent {
					unlocks++
				}
			}
			if unlocks != 1 {
				t.Errorf("%s: %d unlocks", how, unlocks)
			}
		}
	})
}
