package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// ledger drives a workload that crosses partitions and remembers what was
// acknowledged: transfers between entities, each an orchestration that calls two
// of them, and signals. Afterwards all that was acknowledged must have happened
// exactly once.
type ledger struct {
	accounts int

	mu        sync.Mutex
	started   map[string]bool  // acknowledged starts
	tried     map[string]bool  // all starts
	deposited map[string]int64 // acknowledged deposits by account
	maybe     map[string]int64 // deposits without an answer
}

func newLedger(accounts int) *ledger {
	return &ledger{accounts: accounts, started: map[string]bool{}, tried: map[string]bool{}, deposited: map[string]int64{}, maybe: map[string]int64{}}
}

// worker returns the code of the ledger.
func (l *ledger) worker() *testWorker {
	w := newTestWorker()
	w.entities["account"] = func(state []byte, op *model.Event) ([]byte, []byte) {
		balance, _ := strconv.Atoi(string(state))
		amount, _ := strconv.Atoi(string(op.Payload))
		next := []byte(strconv.Itoa(balance + amount))
		return next, next
	}
	w.programs["Transfer"] = func(past, fresh []model.Event) []model.Event {
		if len(past) == 0 {
			from, to := transferOf(fresh[0].Payload)
			return []model.Event{call(0, from, "-7"), call(1, to, "7")}
		}
		if count(model.EntityResponded, past, fresh) == 2 {
			return []model.Event{completed(2, "ok")}
		}
		return nil
	}
	return w
}

func account(n int) string { return model.EntityID{Name: "account", Key: strconv.Itoa(n)}.String() }

func transferOf(input []byte) (from, to string) {
	var a, b int
	fmt.Sscanf(string(input), "%d %d", &a, &b)
	return account(a), account(b)
}

func call(id int32, entity, amount string) model.Event {
	return model.Event{Kind: model.EntityCalled, ID: id, Instance: entity, Name: "add", RequestID: fmt.Sprint(id), Payload: []byte(amount)}
}

// run makes n requests, from several clients, until they are done or the engine ends.
func (l *ledger) run(ctx context.Context, t testing.TB, e engine.Client, round, n, clients int, rng *rand.Rand) {
	seeds := make([]uint64, clients)
	for i := range seeds {
		seeds[i] = rng.Uint64()
	}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seeds[c], 1))
			for i := c; i < n && ctx.Err() == nil; i += clients {
				var err error
				if rng.IntN(3) == 0 {
					err = l.deposit(ctx, e, rng)
				} else {
					err = l.transfer(ctx, e, fmt.Sprintf("t-%d-%d", round, i), rng)
				}
				if err != nil && !errors.Is(err, engine.ErrClosed) && !errors.Is(err, context.Canceled) {
					t.Errorf("request: %v", err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

func (l *ledger) transfer(ctx context.Context, e engine.Client, id string, rng *rand.Rand) error {
	from, to := rng.IntN(l.accounts), rng.IntN(l.accounts)
	l.mu.Lock()
	l.tried[id] = true
	l.mu.Unlock()
	_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Transfer", Input: []byte(fmt.Sprintf("%d %d", from, to))})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.started[id] = true
	l.mu.Unlock()
	if rng.IntN(2) == 0 {
		return nil // somebody else sees to its end
	}
	got, err := ended(ctx, e, id)
	if err == nil && got.Status != model.Completed {
		return fmt.Errorf("%s ended %v: %v", id, got.Status, got.Failure)
	}
	return err
}

func (l *ledger) deposit(ctx context.Context, e engine.Client, rng *rand.Rand) error {
	a := account(rng.IntN(l.accounts))
	err := e.Signal(ctx, engine.SignalRequest{Entity: a, Operation: "add", Input: []byte("100")})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.maybe[a]++
		return err
	}
	l.deposited[a]++
	return nil
}

// check waits for all that was acknowledged to end, and compares.
func (l *ledger) check(t testing.TB, e engine.Client) {
	t.Helper()
	ctx := t.Context()
	balance := make([]int64, l.accounts)
	for id := range l.tried {
		i, err := ended(ctx, e, id)
		if errors.Is(err, engine.ErrNotFound) && !l.started[id] {
			continue
		}
		if err != nil {
			t.Fatalf("acknowledged start of %s: %v", id, err)
		}
		if i.Status != model.Completed {
			t.Errorf("%s is %v: %v", id, i.Status, i.Failure)
		}
		var a, b int
		fmt.Sscanf(string(i.Input), "%d %d", &a, &b)
		balance[a] -= 7
		balance[b] += 7
	}
	for n := range balance {
		l.checkAccount(t, e, n, balance[n])
	}
}

func (l *ledger) checkAccount(t testing.TB, e engine.Client, n int, want int64) {
	t.Helper()
	id := account(n)
	want += 100 * l.deposited[id]
	i, err := settled(t.Context(), e, id)
	if errors.Is(err, engine.ErrNotFound) && want == 0 {
		return
	}
	if err != nil {
		t.Fatalf("account %d: %v", n, err)
	}
	got, _ := strconv.ParseInt(string(i.Entity.State), 10, 64)
	if extra := got - want; extra%100 != 0 || extra < 0 || extra > 100*l.maybe[id] {
		t.Errorf("account %d has %d, want %d and at most %d more from deposits without an answer", n, got, want, 100*l.maybe[id])
	}
}

// settled reads an entity once all its operations have been applied.
func settled(ctx context.Context, e engine.Client, id string) (*model.Instance, error) {
	for {
		i, err := e.Get(ctx, id, engine.GetOptions{Payloads: true})
		if err != nil || i.Entity.Backlog == 0 {
			return i, err
		}
	}
}

var _ = netherite.ReleaseNode
