package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// Options are what is the same for all seeds of a batch.
type Options struct {
	Without    []Fault   // kinds of faults that no run has
	Operations int       // of all clients together on a day; 0: as many as it takes
	Twice      bool      // run each seed twice, and compare
	Trace      io.Writer // gets every event; nil: none
}

// Result is what came of one seed.
type Result struct {
	Seed       uint64
	Hash       uint64 // of everything that happened, in order
	Events     int    // that partitions applied
	Operations int    // that clients began, on the day on which these were most
	Faults     int
	Kinds      Tally // of these
	Virtual    time.Duration
	Err        error // what happened that must not; nil: nothing
}

// patience bounds, in virtual time, how long after the last fault everything must
// have come to its end. The longest takes nine minutes: naps that are suspended, one
// after the other.
const patience = 30 * time.Minute

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
	return Result{
		Seed: seed, Hash: w.hash, Events: w.steps, Operations: max(w.most, w.asked), Faults: w.faults, Kinds: w.kinds, Virtual: w.now,
		Err: cmp.Or(w.failure, o.tooLittle(w.steps, w.faults)),
	}
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
		w.repeatLate()
		w.day(w.plan.clients)
	}
	w.quiesce()
}

// day is chaos and heal. The clients get numbers after the given one.
func (w *world) day(after int) {
	w.chaos, w.asked = true, 0
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
	w.most = max(w.most, w.asked)
	w.lastDamage()
	w.heal()
	w.endure()
	w.backUpAfterAll()
	w.run(w.now+patience, func() bool { return working+w.gorging == 0 })
	if w.failure == nil && working+w.gorging > 0 {
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

// pauseProcess has a process stand still, as one that is stopped or starved, in the
// middle of whatever it does. Somebody else may open the hub meanwhile.
func (w *world) pauseProcess() {
	p := w.serving()
	if p == nil || p.paused {
		return
	}
	w.fault(Pauses, "process stands still", uint64(p.nr), 0)
	p.paused = true
	w.after(w.seldom(2*time.Second, 2*time.Minute), func() {
		if !p.dead {
			w.note("process goes on", uint64(p.nr), 0)
			p.goOn()
		}
	})
}

// loseWorker has a worker hang, with what it is given meanwhile, and then takes it
// away and lets another one come, at once or after a while without any.
func (w *world) loseWorker() {
	p := w.serving()
	if p == nil || p.hung || p.alone {
		return
	}
	w.note("worker hangs", uint64(p.nr), 0)
	p.hung = true
	w.after(time.Duration(w.faulty.IntN(300))*time.Millisecond, func() {
		if p.dead {
			return
		}
		w.fault(WorkerLosses, "worker lost", uint64(p.nr), 0)
		p.hung = false
		p.disconnect()
		w.connectIn(time.Duration(w.faulty.IntN(2)*w.faulty.IntN(3000))*time.Millisecond, p)
	})
}

// heal ends all faults. The clock is set to the latest time that it has shown, so
// that nobody has to wait an hour for what was meant to be soon.
func (w *world) heal() {
	w.note("heal", 0, 0)
	w.chaos, w.storeFull, w.crashIn, w.calm = false, false, 0, w.now
	w.setSkew(w.skew + w.latestWall.Sub(w.wall()))
	w.poisons.cure()
	w.fs.SetCapacity(1 << 40)
	for _, p := range slices.Clone(w.procs) {
		if p.goOn(); p.replaced {
			w.end(p)
		}
	}
	w.openIfClosed()
}

// close ends what is left of the world.
func (w *world) close() {
	if p := w.serving(); p != nil && w.failure == nil {
		p.shut()
	}
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
