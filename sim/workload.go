package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/worker"
)

// opening is what each account of the bank begins with.
const opening = 100

// patient is the activity that is never to start before its call is durable.
const patient = "SquareLater"

// fickle is the orchestration whose code is not deterministic: it asks for something
// else each time that it is run from its beginning.
const fickle = "Fickle"

// account is an entity of the bank. Holder is the orchestration that is in a
// critical section with it, Intruded one whose section somebody else's operation
// has got into.
type account struct {
	Balance  int64
	Holder   string
	Intruded string `json:",omitempty"`
}

// journal is an entity that remembers what was posted to it.
type journal struct{ Ops []string }

type move struct {
	From, To string
	Amount   int64
}

type nap struct{ Each []time.Duration }

type tree struct{ Depth, Width int }

var (
	accounts = durable.Entity[account]("Account")
	deposit  = durable.Operation(accounts, "Add", func(a *account, _ *durable.EntityContext, amount int64) (int64, error) {
		a.Balance += amount
		return a.Balance, nil
	})
	balance = durable.Getter(accounts, "Balance", func(a *account, _ *durable.EntityContext) (int64, error) { return a.Balance, nil })
	enter   = durable.Operation(accounts, "Enter", func(a *account, _ *durable.EntityContext, who string) (string, error) {
		was := a.Holder
		a.Holder = who
		return was, nil
	})
	leave = durable.Operation(accounts, "Leave", func(a *account, _ *durable.EntityContext, who string) (string, error) {
		was := a.Holder
		a.Holder = ""
		return was, nil
	})
	_ = durable.Operation(accounts, "Probe", func(a *account, _ *durable.EntityContext, _ durable.None) (durable.None, error) {
		if a.Holder != "" {
			a.Intruded = a.Holder
		}
		return durable.None{}, nil
	})
	journals = durable.Entity[journal]("Journal")
	frails   = durable.Entity[int]("Frail")
	bear     = durable.Operation(frails, "Bear", func(n *int, _ *durable.EntityContext, _ durable.None) (int, error) {
		*n++
		return *n, nil
	})
	parcel = durable.Event[int]("Parcel")
	free   = durable.Event[string]("Free")
	patch  = durable.Retry{Attempts: 1000, First: time.Second, Factor: 2, Max: 20 * time.Second}
)

// workload is the code that the hub runs.
type workload struct {
	w        *world
	handlers []durable.Handler
	mended   map[string]bool // orchestrations whose activity does not fail any more
	begun    map[string]int  // how often the code of a fickle one has begun
}

func newWorkload(w *world) *workload {
	l := &workload{w: w, mended: map[string]bool{}, begun: map[string]int{}}
	square, later := durable.Activity("Square", l.square), durable.Activity(patient, l.square)
	fragile := durable.Activity("Fragile", l.fragile)
	var grow *durable.OrchestrationOf[tree, int]
	grow = durable.Orchestration("Tree", func(ctx *durable.Context, t tree) (int, error) {
		if t.Depth == 0 {
			return square.Call(ctx, 1, patch).Await()
		}
		kids := make([]*durable.Future[int], t.Width)
		for i := range kids {
			kids[i] = grow.Call(ctx, tree{t.Depth - 1, t.Width})
		}
		counts, err := durable.All(ctx, kids...)
		return sum(counts), err
	})
	var loop *durable.OrchestrationOf[int, string]
	loop = durable.Orchestration("Loop", func(ctx *durable.Context, n int) (string, error) {
		if n == 0 {
			return "done", nil
		}
		if _, err := square.Call(ctx, n, patch).Await(); err != nil {
			return "", err
		}
		return loop.Again(n - 1)
	})
	mend := durable.Orchestration("Mend", func(ctx *durable.Context, _ int) (string, error) {
		_, err := fragile.Call(ctx, ctx.ID()).Await()
		return "mended", err
	})
	captive := durable.Orchestration("Captive", func(ctx *durable.Context, _ int) (string, error) {
		return free.Wait(ctx, durable.Forever)
	})
	l.handlers = []durable.Handler{
		accounts, journals, frails, depots, double, square, later, fragile, grow, loop,
		durable.Orchestration("Errand", errand), durable.Orchestration("Freight", freight), durable.Orchestration("Transfer", transfer), durable.Orchestration("Audit", audit),
		durable.Orchestration("Nap", l.doze), durable.Orchestration("Courier", carry), durable.Orchestration("Collect", collect),
		durable.Orchestration("FanOut", func(ctx *durable.Context, n int) (int, error) {
			calls := make([]*durable.Future[int], n)
			for i := range calls {
				if i%3 == 0 {
					calls[i] = later.Call(ctx, i, patch, durable.Timeout(5*time.Second), durable.AfterCommit)
				} else {
					calls[i] = square.Call(ctx, i, patch, durable.Timeout(5*time.Second))
				}
			}
			squares, err := durable.All(ctx, calls...)
			return sum(squares), err
		}),
		captive, mend, hurry(square), l.loiterer(), newRelay(), l.waver(square),
		durable.Orchestration("Warden", func(ctx *durable.Context, n int) (int, error) {
			held := make([]*durable.Future[string], n)
			for i := range held {
				held[i] = captive.Call(ctx, 0, durable.ID(fmt.Sprintf("%s-%d", ctx.ID(), i)))
			}
			_, err := durable.All(ctx, held...)
			return n, err
		}),
		durable.Orchestration("Foreman", func(ctx *durable.Context, _ int) (string, error) {
			return mend.Call(ctx, 0, durable.ID(ctx.ID()+"-job")).Await()
		}),
	}
	return l
}

// hurry does not wait for its activity.
func hurry(square *durable.ActivityOf[int, int]) durable.Handler {
	return durable.Orchestration("Hurry", func(ctx *durable.Context, n int) (string, error) {
		slow := square.Call(ctx, n, durable.Timeout(time.Minute))
		_, err := durable.First(ctx, slow, durable.Timer(ctx, 10*time.Millisecond))
		slow.Cancel()
		if err == nil {
			err = durable.Sleep(ctx, time.Second)
		}
		return "hurried", err
	})
}

func (l *workload) waver(square *durable.ActivityOf[int, int]) durable.Handler {
	return durable.Orchestration(fickle, func(ctx *durable.Context, n int) (string, error) {
		l.begun[ctx.ID()]++
		if (l.begun[ctx.ID()]+n)%2 == 0 {
			if _, err := square.Call(ctx, n, patch).Await(); err != nil {
				return "", err
			}
		}
		return "settled", durable.Sleep(ctx, time.Second)
	})
}

func (l *workload) loiterer() durable.Handler { return durable.Orchestration("Loiter", l.loiter) }

// loiter holds all accounts for a while, in which it is likely to be terminated.
func (l *workload) loiter(ctx *durable.Context, n int) (string, error) {
	targets := make([]durable.Lockable, n)
	for i := range targets {
		targets[i] = accounts.Key(fmt.Sprint(i))
	}
	unlock, err := durable.Lock(ctx, targets...)
	if err != nil {
		return "", err
	}
	defer unlock()
	return "gone", durable.Sleep(ctx, 2*time.Second)
}

// relayed is what a relay has and still waits for.
type relayed struct {
	Left int
	Got  []int
}

// newRelay makes an orchestration that continues as new with every parcel.
func newRelay() *durable.OrchestrationOf[relayed, []int] {
	var relay *durable.OrchestrationOf[relayed, []int]
	relay = durable.Orchestration("Relay", func(ctx *durable.Context, r relayed) ([]int, error) {
		if r.Left == 0 {
			slices.Sort(r.Got)
			return r.Got, nil
		}
		v, err := parcel.Wait(ctx, durable.Forever)
		if err != nil {
			return nil, err
		}
		return relay.Again(relayed{r.Left - 1, append(r.Got, v)})
	})
	return relay
}

func sum(n []int) (total int) {
	for _, v := range n {
		total += v
	}
	return total
}

// transfer moves money in a critical section, and looks whether it is alone.
func transfer(ctx *durable.Context, m move) (string, error) {
	from, to := accounts.Key(m.From), accounts.Key(m.To)
	unlock, err := durable.Lock(ctx, from, to)
	if err != nil {
		return "", err
	}
	defer unlock()
	was, err := durable.All(ctx, enter.Call(ctx, from, ctx.ID()), enter.Call(ctx, to, ctx.ID()))
	if err != nil {
		return "", err
	}
	if was[0] != "" || was[1] != "" {
		return fmt.Sprintf("not alone: %v", was), nil
	}
	if has, err := balance.Call(ctx, from).Await(); err != nil || has >= m.Amount {
		if err == nil {
			_, err = durable.All(ctx, deposit.Call(ctx, from, -m.Amount), deposit.Call(ctx, to, m.Amount))
		}
		if err != nil {
			return "", err
		}
	}
	leaving := []*durable.Future[string]{leave.Call(ctx, from, ctx.ID()), leave.Call(ctx, to, ctx.ID())}
	if m.Amount%2 == 0 {
		unlock() // which follows what was asked for before
	}
	was, err = durable.All(ctx, leaving...)
	if err == nil && (was[0] != ctx.ID() || was[1] != ctx.ID()) {
		return fmt.Sprintf("somebody else came: %v", was), nil
	}
	return "ok", err
}

// errand calls a frail entity of its own a few times, a negative number all at once. It
// returns how often that was called.
func errand(ctx *durable.Context, n int) (count int, err error) {
	if n < 0 {
		calls := make([]*durable.Future[int], -n)
		for i := range calls {
			calls[i] = bear.Call(ctx, frails.Key(ctx.ID()), durable.None{})
		}
		counts, err := durable.All(ctx, calls...)
		if err != nil {
			return 0, err
		}
		return slices.Max(counts), nil
	}
	for range n {
		if count, err = bear.Call(ctx, frails.Key(ctx.ID()), durable.None{}).Await(); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// audit adds up all accounts, which it has locked.
func audit(ctx *durable.Context, n int) (int64, error) {
	targets := make([]durable.Lockable, n)
	for i := range targets {
		targets[i] = accounts.Key(fmt.Sprint(i))
	}
	unlock, err := durable.Lock(ctx, targets...)
	if err != nil {
		return 0, err
	}
	defer unlock()
	calls := make([]*durable.Future[int64], n)
	for i := range calls {
		calls[i] = balance.Call(ctx, accounts.Key(fmt.Sprint(i)))
	}
	all, err := durable.All(ctx, calls...)
	var total int64
	for _, b := range all {
		if b < 0 {
			return 0, fmt.Errorf("a balance of %d", b)
		}
		total += b
	}
	return total, err
}

// doze sleeps, and looks at the clock, unless that jumps.
func (l *workload) doze(ctx *durable.Context, n nap) (string, error) {
	for _, d := range n.Each {
		before := ctx.Now()
		if err := durable.Sleep(ctx, d); err != nil {
			return "", err
		}
		if slept := ctx.Now().Sub(before); slept < d && !l.w.clockJumps() {
			return fmt.Sprintf("slept %v, not %v", slept, d), nil
		}
	}
	return "rested", nil
}

// collect waits for so many parcels and returns them in order.
func collect(ctx *durable.Context, n int) ([]int, error) {
	var got []int
	for len(got) < n {
		v, err := parcel.Wait(ctx, time.Minute)
		if errors.Is(err, durable.ErrTimeout) {
			continue
		}
		if err != nil {
			return nil, err
		}
		got = append(got, v)
	}
	slices.Sort(got)
	return got, nil
}

var errBadDay = errors.New("a bad day")

// square is an activity that can take long or fail.
func (l *workload) square(ctx context.Context, n int) (int, error) {
	w := l.w
	key, attempt := durable.IdempotencyKey(ctx), worker.ActivityOf(ctx)
	item := attempt.Item
	w.activities[key]++
	if err := w.keys.Ran(item.Execution, item.Name, item.Input, key); err != nil {
		w.fail("%w", err)
	}
	if w.chaos && w.plan.has(BadTasks) {
		switch w.workers.IntN(12) {
		case 0:
			w.fault(BadTasks, "activity fails", uint64(n), 0)
			return 0, errBadDay
		case 1:
			w.fault(BadTasks, "activity hangs", uint64(n), 0)
			for range 60 {
				if w.sleep(time.Second); ctx.Err() != nil {
					return 0, ctx.Err()
				}
			}
		}
		if w.often.IntN(50) == 0 {
			w.fault(BadTasks, "activity is given back", uint64(n), 0)
			return 0, attempt.GiveBack(time.Duration(w.often.IntN(2)*w.often.IntN(5000)) * time.Millisecond)
		}
	}
	if w.workers.IntN(4) == 0 {
		w.sleep(time.Duration(w.workers.IntN(50)) * time.Millisecond)
	}
	return n * n, nil
}

// fragile is an activity that fails until somebody has mended what it needs.
func (l *workload) fragile(_ context.Context, id string) (string, error) {
	if !l.mended[id] {
		return "", errBadDay
	}
	return "whole", nil
}
