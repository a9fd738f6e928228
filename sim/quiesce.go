package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// quiesce waits for everything to end, and compares it with what it should be; in
// some runs once more after a last kill: what was recovered from log and store has
// to be the same.
func (w *world) quiesce() {
	w.final = map[string]string{}
	if w.plan.reread { // else a lock whose release is on its way would be held only the first time
		_ = w.rest()
	}
	w.judged()
	if w.failure == nil && w.plan.reread {
		w.kill()
		w.judged()
	}
	switch left := w.rest(); {
	case w.failure != nil:
	case left != nil:
		w.fail("quiescence: %w", left)
	default:
		w.atRest()
		w.stores()
		w.retired()
		w.restored()
	}
}

// rest waits until nothing is left to do, and returns what still is after a while.
func (w *world) rest() (left error) {
	for range 120 {
		if p := w.serving(); p == nil {
			left = errors.New("no process serves")
		} else if p.alone || p.hung { // what nobody can run lies in the store, and is no residue
			left = errors.New("no worker is there")
		} else if len(w.poisons.nurses) > 0 { // locks, too, wait for what is held
			left = errors.New("an instance is set aside")
		} else if left = p.eng.Residue(); left == nil {
			break
		}
		if w.failure != nil {
			break
		}
		w.run(w.now+time.Second, func() bool { return false })
	}
	return left
}

// atRest checks what must be so when there is nothing left to do: no lock is held,
// nobody waits for one, and replay leads to what is in memory.
func (w *world) atRest() {
	if err := w.serving().eng.CheckReplay(); err != nil {
		w.fail("%w", err)
	}
	w.visit("watchman", 3000, func(c *client) {
		for n := range w.plan.accounts {
			got := w.entity(c, accounts.Key(fmt.Sprint(n)).InstanceID(), false)
			if got != nil && (got.Entity.LockedBy != "" || got.Entity.Backlog > 0) {
				w.fail("lock: account %d is locked by %q, and %d messages wait, although nothing is left to do", n, got.Entity.LockedBy, got.Entity.Backlog)
			}
		}
		w.childless(c)
	})
}

// childless checks that the children of what was terminated or purged with them
// have ended, or are gone.
func (w *world) childless(c *client) {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		for n := range w.ledger.Instances[id].Children {
			child := fmt.Sprintf("%s-%d", id, n)
			if err := w.ledger.Child(id, child, w.entity(c, child, false)); err != nil {
				w.fail("%w", err)
			}
		}
	}
}

// stores checks what is stored of each partition: that it can be read, and that
// instances, histories and indexes agree.
func (w *world) stores() {
	p := w.serving()
	for id := range w.plan.partitions {
		bad := func(err error) { w.fail("store: %w", err) }
		if err := netherite.CheckPartition(p.stored, id, w.plan.partitions, bad); err != nil {
			w.fail("store: partition %d cannot be read: %w", id, err)
		}
	}
}

// judged lets a client judge.
func (w *world) judged() { w.visit("judge", 2000, w.judge) }

// visit lets a client do something after the last fault, for as long as there is
// patience.
func (w *world) visit(name string, nr int, f func(c *client)) {
	if w.failure != nil {
		return
	}
	done := false
	w.spawn(name, nil, func() {
		f(&client{w: w, nr: nr})
		done = true
	})
	w.run(w.now+patience, func() bool { return done })
	if w.failure == nil && !done {
		w.fail("liveness: not everything has ended %v after the last fault", patience)
	}
}

// same compares what is read of an instance with what was read at the end before.
func (w *world) same(id string, read any) {
	if !w.plan.reread {
		return
	}
	b, err := json.Marshal(read)
	if err != nil {
		w.fail("encode what was read of %q: %w", id, err)
		return
	}
	if was, ok := w.final[id]; ok && was != string(b) {
		w.fail("recovery: %q is not what it was before the last kill: %s, but was %s", id, b, was)
	}
	w.final[id] = string(b)
}

// judge reads everything there is.
func (w *world) judge(c *client) {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		i := w.ledger.Instances[id]
		if !i.Acked {
			if got := c.see(id); got == nil {
				continue
			}
		}
		if i.Held {
			c.see(id)
			i.Held = false
			c.command("resume", id, engine.ErrEnded, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Resume(ctx, id, "at last") })
		}
		got := c.await(id)
		if w.failure != nil {
			return
		}
		if got == nil {
			continue
		}
		if err := w.ledger.Ended(id, got); err != nil {
			w.fail("%w", err)
			return
		}
		w.same(id, got)
		w.readHistory(c, id)
	}
	w.ranOnce()
	w.sleep(w.latest.Sub(w.wall()) + w.lateness())
	if len(w.poisons.nurses) > 0 { // what is passed on by who is set aside comes later still
		for len(w.poisons.nurses) > 0 && w.failure == nil {
			w.sleep(time.Second)
		}
		w.sleep(w.lateness())
	}
	w.count(c)
}

// count reads all entities: what was posted is in the journals, and the money is
// in the bank.
func (w *world) count(c *client) {
	for _, entity := range slices.Sorted(maps.Keys(w.ledger.Posts)) {
		var j journal
		w.readEntity(c, entity, &j)
		if err := w.ledger.Applied(entity, j.Ops); err != nil {
			w.fail("%w", err)
		}
	}
	var total int64
	for n := range w.plan.accounts {
		var a account
		w.readEntity(c, accounts.Key(fmt.Sprint(n)).InstanceID(), &a)
		if a.Intruded != "" {
			w.fail("lock: an operation got into account %d while %q had it locked", n, a.Intruded)
		}
		if a.Balance < 0 || a.Holder != "" {
			w.fail("money: account %d has %d and is held by %q", n, a.Balance, a.Holder)
		}
		total += a.Balance
	}
	if total != w.ledger.Money {
		w.fail("money: there is %d, and should be %d", total, w.ledger.Money)
	}
}

// ranOnce checks that no activity ran twice if nothing could make it.
func (w *world) ranOnce() {
	if slices.ContainsFunc(repeating, w.plan.has) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(w.activities)) {
		if n := w.activities[key]; n > 1 {
			w.fail("activity: %s ran %d times, although nothing went wrong", key, n)
		}
	}
}

// lateness is how long after its time a timer may fire: where the wall clock was
// set, an alarm finds out within a minute.
func (w *world) lateness() time.Duration {
	if w.clockJumps() {
		return 2 * time.Minute
	}
	return time.Second
}

func (w *world) readHistory(c *client, id string) {
	err := c.request("history of", id, func(ctx context.Context, e *netherite.Engine, _ string) error {
		events, err := e.History(ctx, id)
		if err != nil {
			return err
		}
		w.same("history of "+id, events)
		if err := histories.Check(events); err != nil {
			return fmt.Errorf("history of %q: %w", id, err)
		}
		return cmp.Or(w.ledger.Heard(id, events), w.heldBack(id, events))
	})
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		w.fail("%w", err)
	}
}

// heldBack checks that no step began while an orchestration was suspended.
func (w *world) heldBack(id string, events []model.Event) error {
	if err := histories.CheckSuspended(events, cmp.Or(w.plan.maxBatch, usualBatch)); err != nil {
		return fmt.Errorf("suspension of %q: %w", id, err)
	}
	return nil
}

// usualBatch is how many messages a step is told at most where the plan does not
// say so.
const usualBatch = 1000

// inTime checks that a timer is not early, and, where there is no chaos, not late.
func (w *world) inTime(fireAt model.Time) error {
	if err := check.NotEarly(fireAt, w.wall()); err != nil || w.chaos {
		return err
	}
	return check.NotLate(fireAt, w.wallAt(w.calm), w.wall(), w.lateness())
}

// entity reads an entity; nil if there is none.
func (w *world) entity(c *client, id string, fresh bool) (got *model.Instance) {
	err := c.request("read", id, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		got, err = e.Get(ctx, id, engine.GetOptions{Payloads: true, Fresh: fresh})
		return err
	})
	if err != nil {
		got = nil
	}
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		w.fail("client: read of %q: %w", id, err)
	}
	return got
}

func (w *world) readEntity(c *client, id string, state any) {
	got := w.entity(c, id, true)
	if got == nil || got.Entity.State == nil {
		return
	}
	w.same(id, got)
	if err := json.Unmarshal(got.Entity.State, state); err != nil {
		w.fail("entity %q has state %s: %w", id, got.Entity.State, err)
	}
}
