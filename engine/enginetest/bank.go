package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Transfers between tallies in critical sections: money neither comes to be nor
// gets lost, whatever happens meanwhile.

type transfer struct {
	From, To string
	Amount   int
}

var (
	move = durable.Orchestration("Transfer", func(ctx *durable.Context, t transfer) (bool, error) {
		from, to := tallies.Key(t.From), tallies.Key(t.To)
		unlock, err := durable.Lock(ctx, from, to)
		if err != nil {
			return false, err
		}
		defer unlock()
		balance, err := readFrom.Call(ctx, from).Await()
		if err != nil || balance < t.Amount {
			return false, err
		}
		_, err = durable.All(ctx, addTo.Call(ctx, from, -t.Amount), addTo.Call(ctx, to, t.Amount))
		return err == nil, err
	})
	// audit locks all accounts and adds up what they have.
	audit = durable.Orchestration("Audit", func(ctx *durable.Context, accounts []string) (int, error) {
		var keys []durable.Lockable
		for _, a := range accounts {
			keys = append(keys, tallies.Key(a))
		}
		unlock, err := durable.Lock(ctx, keys...)
		if err != nil {
			return 0, err
		}
		defer unlock()
		sum := 0
		for _, a := range accounts {
			n, err := readFrom.Call(ctx, tallies.Key(a)).Await()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	})
	// holdLock locks an entity and then ends in the way that it is asked for.
	holdLock = durable.Orchestration("HoldLock", func(ctx *durable.Context, how [2]string) (string, error) {
		if _, err := durable.Lock(ctx, tallies.Key(how[0])); err != nil {
			return "", err
		}
		switch how[1] {
		case "fail":
			return "", errNull
		case "panic":
			panic("in a critical section")
		case "complete":
			return "done", nil
		}
		_, err := operation.Wait(ctx, durable.Forever)
		return "", err
	})

	// alone reads an entity, reads it again after an event, and adds one: it releases
	// the entity before it knows what came of that.
	alone = durable.Orchestration("Alone", func(ctx *durable.Context, key string) (values [3]int, err error) {
		k := tallies.Key(key)
		unlock, err := durable.Lock(ctx, k)
		if err != nil {
			return values, err
		}
		defer unlock()
		if values[0], err = readFrom.Call(ctx, k).Await(); err != nil {
			return values, err
		}
		if _, err = operation.Wait(ctx, durable.Forever); err != nil {
			return values, err
		}
		if values[1], err = readFrom.Call(ctx, k).Await(); err != nil {
			return values, err
		}
		last := addTo.Call(ctx, k, 1)
		unlock()
		values[2], err = last.Await()
		return values, err
	})

	bankCode = []durable.Handler{move, audit, holdLock, alone}
)

// bank is a number of accounts with a number each.
type bank struct {
	s        *scene
	accounts []string
	total    int
}

func newBank(s *scene, accounts, balance int) *bank {
	b := &bank{s: s, total: accounts * balance}
	for i := range accounts {
		key := s.id(fmt.Sprint("account-", i))
		b.accounts = append(b.accounts, key)
		s.post(key, balance)
	}
	return b
}

// transfer is the i-th transfer: between two different accounts, each in turn.
func (b *bank) transfer(i int) transfer {
	n := len(b.accounts)
	return transfer{b.accounts[i%n], b.accounts[(i+1+i/n%(n-1))%n], 1 + i%7}
}

// run makes transfers from several clients, an audit among them now and then.
// Calls that the end of ctx or of the engine cuts short are not errors.
func (b *bank) run(ctx context.Context, from, to, clients int) {
	b.s.Helper()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := from + c; i < to; i += clients {
				if err := b.one(ctx, i); err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrClosed) {
					b.s.Errorf("transfer %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (b *bank) one(ctx context.Context, i int) error {
	run, err := move.Start(ctx, b.s, b.transfer(i), b.s.named(fmt.Sprint("transfer-", i)), durable.Attach)
	if err == nil {
		_, err = run.Wait(ctx)
	}
	if err == nil && i%10 == 0 {
		err = b.audit(ctx, fmt.Sprint("audit-", i))
	}
	return err
}

// audit holds that the accounts have together what they had in the beginning.
func (b *bank) audit(ctx context.Context, name string) error {
	run, err := audit.Start(ctx, b.s, b.accounts, b.s.named(name), durable.Attach)
	if err != nil {
		return err
	}
	sum, err := run.Wait(ctx)
	if err == nil && sum != b.total {
		err = fmt.Errorf("audit: the accounts have %d together, want %d", sum, b.total)
	}
	return err
}

// check waits until all is quiet and looks at every account and transfer.
func (b *bank) check() {
	s := b.s
	s.Helper()
	for _, inst := range s.list(engine.Query{Names: []string{move.Name(), audit.Name()}}) {
		if end := s.ended(inst.ID); end.Status != model.Completed {
			s.Errorf("%s is %v: %v", inst.ID, end.Status, end.Failure)
		}
	}
	s.ok(b.audit(s.ctx, "audit"))
	sum := 0
	for _, a := range b.accounts {
		n, _ := s.read(a)
		sum += n
		s.until(a+" is not locked", func() bool {
			inst, err := s.engine.Get(s.ctx, tallies.Key(a).InstanceID(), engine.GetOptions{})
			s.ok(err)
			return inst.Entity.LockedBy == ""
		})
	}
	want(s, "sum of all accounts", sum, b.total)
}

func sections(s *scene) {
	b := newBank(s, 5, 100)
	b.run(s.ctx, 0, 60, 6)
	b.check()
}

// sectionAlone holds that an operation from outside waits for the end of the section in
// which it has come: what the holder has asked for before it left comes first.
func sectionAlone(s *scene) {
	for i := range 5 {
		key := s.id(fmt.Sprint("tally-", i))
		s.post(key, 10)
		run := start(s, alone, fmt.Sprint("alone-", i), key)
		s.awaits(run.ID())
		s.post(key, 100)
		s.raise(run.ID(), "go on")
		result(s, run, [3]int{10, 10, 11})
		n, _ := s.read(key)
		want(s, "its value", n, 111)
	}
}

// sectionEnds holds that a lock is given back however its holder ends.
func sectionEnds(s *scene) {
	for _, how := range []string{"complete", "fail", "panic", "terminate"} {
		key := s.id("tally-" + how)
		run := start(s, holdLock, how, [2]string{key, how})
		if how == "terminate" {
			s.awaits(run.ID())
			inst, err := s.engine.Get(s.ctx, tallies.Key(key).InstanceID(), engine.GetOptions{})
			s.ok(err)
			want(s, "holder of the lock", inst.Entity.LockedBy, run.ID())
			s.ok(run.Terminate(s.ctx, "", false))
		}
		s.ended(run.ID())
		result(s, start(s, useEntity, "after-"+how, key), 7)
	}
}

// sectionsOverCrashes crashes in the middle of transfers, and clients come again.
func sectionsOverCrashes(s *scene) {
	b := newBank(s, 5, 100)
	for round := range 4 {
		ctx, cancel := context.WithCancel(s.ctx)
		var wg sync.WaitGroup
		wg.Go(func() { b.run(ctx, 20*round, 20*round+20, 5) })
		id := s.id(fmt.Sprint("transfer-", 20*round+7))
		s.until("transfers are under way", func() bool {
			_, err := s.engine.Get(s.ctx, id, engine.GetOptions{})
			return err == nil
		})
		cancel()
		wg.Wait()
		s.crash()
	}
	b.check()
}
