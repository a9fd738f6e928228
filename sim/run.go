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
		w.repeatLate()
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
		{Pauses, w.pauseProcess},
		{BitFlips, w.flip},
	}
	w.days++
	day := w.days
	w.backUp()
	w.scheduleDamage()
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

// seldom is a duration up to one of two, mostly the shorter one.
func (w *world) seldom(most, seldom time.Duration) time.Duration {
	if w.faulty.IntN(4) == 0 {
		most = seldom
	}
	return time.Duration(w.faulty.Int64N(int64(most))).Truncate(time.Millisecond)
}

// haunt opens the hub again while a process runs on, for two minutes at most.
func (w *world) haunt() {
	if p := w.serving(); p == nil || len(w.procs) > 1 {
		return
	}
	w.fault("zombie", uint64(w.opened), 0)
	z := w.serving()
	w.open()
	w.after(w.seldom(10*time.Second, 2*time.Minute), func() {
		if !z.dead {
			w.note("zombie ends", uint64(z.nr), 0)
			w.end(z)
		}
	})
}

// fillDisk leaves no space for a while.
func (w *world) fillDisk() {
	usage, err := w.fs.GetDiskUsage("/")
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
	w.fs.SetCapacity(int64(usage.UsedBytes) + left)
	w.storeFull = w.faulty.IntN(2) == 0
	over := false
	if left == 0 && w.plan.glut {
		w.gorge(func() bool { return over })
	}
	w.after(time.Duration(w.faulty.IntN(most))*time.Millisecond, func() {
		w.note("space again", 0, 0)
		over = true
		w.fs.SetCapacity(1 << 40) // a power failure may have been meanwhile
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
	w.fault("clock jump", uint64(w.setSkew(to)), 0)
}

// setSkew sets the wall clock, and returns by how much. Several small steps forward
// make a leap, too.
func (w *world) setSkew(to time.Duration) (by time.Duration) {
	by, w.skew = to-w.skew, to
	if w.lowest = min(w.lowest, to); to-w.lowest > leap {
		w.lowest = to
		w.leaps++
	}
	w.showTime()
	return by
}

// pauseProcess has a process stand still, as one that is stopped or starved, in the
// middle of whatever it does. Somebody else may open the hub meanwhile.
func (w *world) pauseProcess() {
	p := w.serving()
	if p == nil || p.paused {
		return
	}
	w.fault("process stands still", uint64(p.nr), 0)
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
		w.fault("worker lost", uint64(p.nr), 0)
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
