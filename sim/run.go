package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// Options are what is the same for all seeds of a batch.
type Options struct {
	Without    []Fault   // kinds of faults that no run has
	Operations int       // of all clients together; 0: each seed has its own number
	Twice      bool      // run each seed twice, and compare
	Trace      io.Writer // gets every event; nil: none
}

// Result is what came of one seed.
type Result struct {
	Seed    uint64
	Hash    uint64 // of everything that happened, in order
	Events  int    // that partitions applied
	Faults  int
	Virtual time.Duration
	Err     error // what happened that must not; nil: nothing
}

// patience bounds, in virtual time, how long after the last fault everything
// must have come to its end.
const patience = 48 * time.Hour

// Run simulates one seed.
func Run(seed uint64, o Options) Result {
	r := run(seed, o)
	if o.Twice && r.Err == nil {
		o.Trace = nil
		if again := run(seed, o); again.Hash != r.Hash {
			r.Err = fmt.Errorf("determinism: the same seed has led to %016x, and then to %016x (%w)", r.Hash, again.Hash, cmp.Or(again.Err, errDiffers))
		}
	}
	return r
}

var errDiffers = errors.New("both without a failure")

func run(seed uint64, o Options) Result {
	w := newWorld(seed, newPlan(seed, o))
	w.trace = o.Trace
	w.workload = newWorkload(w)
	w.ledger.Retention = w.plan.retention
	w.ledger.Money = opening * int64(w.plan.accounts)
	w.guarded(func() {
		w.open()
		w.phases()
	})
	w.guarded(w.close)
	return Result{Seed: seed, Hash: w.hash, Events: w.steps, Faults: w.faults, Virtual: w.now, Err: w.failure}
}

// guarded runs f; a panic, such as the replay checker's, is a failure of the run.
func (w *world) guarded(f func()) {
	defer func() {
		if r := recover(); r != nil {
			w.fail("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f()
}

// phases are chaos, heal and quiesce.
func (w *world) phases() {
	ready := false
	w.spawn("bank", nil, func() { w.openAccounts(); ready = true })
	w.run(time.Hour, func() bool { return ready })

	w.day(0)
	if w.plan.night > 0 {
		w.run(w.now+w.plan.night, func() bool { return false })
		w.plan.events = w.steps + leastEvents/8
		w.day(w.plan.clients)
	}
	w.quiesce()
}

// day is chaos and heal. The clients get numbers after the given one.
func (w *world) day(after int) {
	w.chaos = true
	w.scheduleFaults()
	working := w.plan.clients
	clients := make([]*client, w.plan.clients)
	for n := range clients {
		c := &client{w: w, nr: after + n + 1}
		clients[n] = c
		w.spawn("client", nil, func() {
			c.run()
			working--
		})
	}
	w.run(w.now+w.plan.chaos, func() bool { return working == 0 })
	w.heal()
	w.run(w.now+patience, func() bool { return working == 0 })
	if w.failure == nil && working > 0 {
		var open []string
		for _, c := range clients {
			if c.asks != "" {
				open = append(open, c.asks)
			}
		}
		w.fail("liveness: no answer %v after the last fault to: %s", patience, strings.Join(open, ", "))
	}
}

// openAccounts puts the money into the bank.
func (w *world) openAccounts() {
	c := &client{w: w, nr: 1000}
	for n := range w.plan.accounts {
		entity := accounts.Key(fmt.Sprint(n)).InstanceID()
		c.command("open", entity, nil, func(ctx context.Context, e *netherite.Engine, key string) error {
			return e.Signal(ctx, engine.SignalRequest{Entity: entity, Operation: "Add", Input: encode(opening), Key: key})
		})
	}
}

// scheduleFaults has those faults happen that come by themselves.
func (w *world) scheduleFaults() {
	kinds := []struct {
		f      Fault
		happen func()
	}{
		{Crashes, func() {
			if w.crashIn == 0 {
				w.crashIn = 1 + w.faulty.IntN(100)
			}
		}},
		{Kills, func() { w.fault("kill", 0, 0); w.kill() }},
		{Zombies, w.haunt},
		{FullDisks, w.fillDisk},
		{ClockJumps, w.jump},
		{WorkerLosses, w.loseWorker},
		{BitFlips, w.flip},
	}
	w.days++
	day := w.days
	w.backUp()
	for _, k := range kinds {
		if !w.plan.has(k.f) {
			continue
		}
		var again func()
		again = func() {
			if !w.chaos || w.days != day {
				return
			}
			if !w.crashed {
				k.happen()
			}
			w.after(w.pause(), again)
		}
		w.after(w.pause(), again)
	}
}

// pause is how long until the next fault of a kind.
func (w *world) pause() time.Duration {
	return time.Duration(float64(w.plan.pause) * w.faulty.ExpFloat64())
}

// haunt opens the hub again while a process runs on.
func (w *world) haunt() {
	if p := w.serving(); p == nil || len(w.procs) > 1 {
		return
	}
	w.fault("zombie", uint64(w.opened), 0)
	z := w.serving()
	w.open()
	w.after(time.Duration(w.faulty.IntN(10_000))*time.Millisecond, func() {
		if !z.dead {
			w.note("zombie ends", uint64(z.nr), 0)
			w.end(z)
		}
	})
}

// fillDisk leaves no space for a while.
func (w *world) fillDisk() {
	fs := w.fs
	usage, err := fs.GetDiskUsage("/")
	if err != nil || w.storeFull {
		return
	}
	w.fault("full disk", 0, 0)
	// Half of the time nothing is left, for long enough that the log needs the
	// segment that it cannot make.
	left, most := w.faulty.Int64N(32<<10), 10_000
	if w.faulty.IntN(2) == 0 {
		left, most = 0, 100_000
	}
	fs.SetCapacity(int64(usage.UsedBytes) + left)
	w.storeFull = w.faulty.IntN(2) == 0
	w.after(time.Duration(w.faulty.IntN(most))*time.Millisecond, func() {
		w.note("space again", 0, 0)
		fs.SetCapacity(1 << 40)
		w.storeFull = false
	})
}

// mostSkew bounds how wrong the wall clock is. A jump by as much as a leap may have
// things forgotten that are remembered for an hour.
const (
	mostSkew = time.Hour
	leap     = 15 * time.Minute
)

// jump sets the wall clock.
func (w *world) jump() {
	to := time.Duration(w.clocks.Int64N(int64(2*mostSkew))) - mostSkew
	if w.clocks.IntN(2) == 0 {
		to = w.skew + to/600
	}
	by := to - w.skew
	w.skew = to
	if by > leap {
		w.leaps++
	}
	w.showTime()
	w.fault("clock jump", uint64(by), 0)
}

// loseWorker has a worker hang, with what it is given meanwhile, and then takes it
// away and lets another one come.
func (w *world) loseWorker() {
	p := w.serving()
	if p == nil || p.hung {
		return
	}
	w.note("worker hangs", uint64(p.nr), 0)
	p.hung = true
	w.after(time.Duration(w.faulty.IntN(300))*time.Millisecond, func() {
		if p.dead {
			return
		}
		w.fault("worker lost", uint64(p.nr), 0)
		p.hung = false
		p.disconnect()
		w.connect(p)
	})
}

// heal ends all faults. The clock is set to the latest time that it has shown, so
// that nobody has to wait an hour for what was meant to be soon.
func (w *world) heal() {
	w.note("heal", 0, 0)
	w.chaos, w.storeFull, w.crashIn = false, false, 0
	w.skew = w.latestWall.Sub(start) - w.now
	clear(w.poison)
	w.fs.SetCapacity(1 << 40)
	for _, p := range slices.Clone(w.procs) {
		if p.replaced {
			w.end(p)
		}
	}
	w.openIfClosed()
}

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
		w.retired()
		w.restored()
	}
}

// rest waits until nothing is left to do, and returns what still is after a while.
func (w *world) rest() (left error) {
	for range 120 {
		if p := w.serving(); p == nil {
			left = errors.New("no process serves")
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
	})
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
	if w.plan.has(ClockJumps) {
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
		return cmp.Or(check.History(id, events), w.ledger.Heard(id, events))
	})
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		w.fail("%w", err)
	}
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

// close ends what is left of the world.
func (w *world) close() {
	failure := w.failure
	for len(w.procs) > 0 {
		w.end(w.procs[0])
	}
	for _, t := range w.tasks {
		w.task = t
		t.stop()
	}
	for _, t := range w.idle {
		t.stop()
	}
	w.failure = failure
}
