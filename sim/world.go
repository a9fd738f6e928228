package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/sim/check"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/mem"
)

// start is the wall time at which every run begins.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// world is all there is in a run.
type world struct {
	seed  uint64
	plan  plan
	trace io.Writer // nil: none
	hash  uint64

	// One source of randomness for each concern, so that a change of one does
	// not reshuffle the others. Often is for what would happen too seldom.
	disk, net, clocks, work, schedule, workers, faulty, parking, bulk, often *rand.Rand

	now        time.Duration
	skew       time.Duration // of the wall clock
	jumped     bool          // it jumped in the world that this one is a copy of
	lowest     time.Duration // that was, since the last leap
	leaps      int           // forward, of that
	latestWall time.Time     // that it has shown
	serial     uint64
	heap       eventHeap
	tasks      []*task // parked
	idle       []*task // have ended; their coroutines are used again
	task       *task   // running; nil: none
	ready      []choice

	fs      *faultfs.FS
	store   *mem.StoreDisk
	prefix  check.Prefix
	ledger  *check.Ledger
	procs   []*process // alive, zombies too; the last is the one that clients use
	opened  int
	chaos   bool
	crashed bool // the machine has lost power; noticed between two steps
	crashIn int  // operations on the disk until it does; 0 none

	asked, most       int // operations of clients on this day, and on any
	lull, doneAtFault int // see worthwhile
	openings          int // of partitions
	unopened          int // openings of the log since the hub was open last

	storeFull bool
	days      int           // begun
	gluts     int           // begun
	throngs   int           // have come
	gorging   int           // tasks of gluts
	calm      time.Duration // since when nothing keeps the hub from its work, once there is no chaos
	latest    time.Time     // for when something was posted

	turns, events, steps, faults int
	kinds                        Tally          // of the faults
	tally                        map[string]int // of what has happened lately, if that is a lot
	activities                   map[string]int // runs, by idempotency key
	keys                         *check.Keys    // of the same, by call
	poisons                      poisons
	requests                     map[string]partition.Event // by key: the last that was admitted, until it is answered
	late                         []partition.Event          // answered; they come once more in the morning
	repeated                     map[partition.Event]bool   // come once more
	workload                     *workload
	final                        map[string]string // digest of what was read of each instance at the end; nil: not yet
	failure                      error
	copied                       *copied  // nil: none yet
	copying                      *process // that is being copied
	damage                       *damage  // of a row; nil: none
	damages                      int      // so far
	parkedLast                   int      // partition that had the last one
	witnesses                    int      // of that
}

// clockJumps reports whether the wall clock jumps, or did while what the hub holds
// came about.
func (w *world) clockJumps() bool { return w.jumped || w.plan.has(ClockJumps) }

func newWorld(seed uint64, p plan) *world {
	source := func(concern uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, concern)) }
	w := &world{
		seed: seed, plan: p, hash: 14695981039346656037,
		disk: source(1), net: source(2), clocks: source(3), work: source(4), schedule: source(5), workers: source(6), faulty: source(7), parking: source(20), bulk: source(21), often: source(22),
		fs: faultfs.New(), store: mem.NewStoreDisk(), ledger: check.NewLedger(), activities: map[string]int{}, keys: check.NewKeys(), poisons: newPoisons(source(8)),
		requests: map[string]partition.Event{}, repeated: map[partition.Event]bool{},
	}
	return w
}

// wall is the time on the wall clock of the machine.
func (w *world) wall() time.Time { return w.wallAt(w.now) }

// wallAt is what the wall clock would show at a time if it had not been set since.
func (w *world) wallAt(at time.Duration) time.Time {
	return start.Add(at + time.Duration(w.plan.drift*float64(at)) + w.skew)
}

// showTime notes how late the wall clock says that it is.
func (w *world) showTime() {
	if t := w.wall(); t.After(w.latestWall) {
		w.latestWall = t
	}
}

// note adds to the trace what has happened.
func (w *world) note(what string, a, b uint64) {
	w.events++
	if w.tally != nil {
		w.tally[what]++
	}
	h := w.hash
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	for _, v := range [...]uint64{uint64(w.now), a, b} {
		h = (h ^ v) * 1099511628211
		h ^= h >> 29
	}
	w.hash = h
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%6d %-18v %s %d %d\n", w.events, w.now, what, a, b)
	}
}

// fault is note for what goes wrong on purpose.
func (w *world) fault(kind Fault, what string, a, b uint64) {
	w.faults++
	w.kinds[kind]++
	w.note(what, a, b)
}

// fail ends the run: something happened that must not. The first reason counts.
func (w *world) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.note("failure: "+w.failure.Error(), 0, 0)
	}
}

func digest(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // never fails
	return h.Sum64()
}

// event is something that will happen at a time.
type event struct {
	at     time.Duration
	serial uint64
	f      func()
}

// after has f called once d has passed; stop prevents it.
func (w *world) after(d time.Duration, f func()) (stop func()) {
	w.serial++
	e := &event{at: w.now + max(d, 0), serial: w.serial, f: f}
	w.heap.push(e)
	return func() { e.f = nil }
}

// eventHeap orders events by time, and at the same time by when they were made.
type eventHeap []*event

func (h eventHeap) less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}

func (h *eventHeap) push(e *event) {
	*h = append(*h, e)
	l, i := *h, len(*h)-1
	for up := (i - 1) / 2; i > 0 && l.less(i, up); up = (i - 1) / 2 {
		l[i], l[up] = l[up], l[i]
		i = up
	}
}

func (h *eventHeap) pop() *event {
	l := *h
	first, last := l[0], len(l)-1
	l[0], l[last] = l[last], nil
	l = l[:last]
	*h = l
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if l.less(c, least) {
				least = c
			}
		}
		if least == i {
			return first
		}
		l[i], l[least] = l[least], l[i]
		i = least
	}
}

// next drops events that were stopped and returns the first that was not, or nil.
func (h *eventHeap) next() *event {
	for len(*h) > 0 && (*h)[0].f == nil {
		h.pop()
	}
	if len(*h) == 0 {
		return nil
	}
	return (*h)[0]
}

// choice is something that could be done now.
type choice struct {
	p    *process
	kind choiceKind
	job  int // index in p.jobs
	task int // index in w.tasks
}

type choiceKind uint8

const (
	doJob choiceKind = iota
	doStep
	doActivity
	doTask
)

// run lets the world go on until done says so, the time has come, or something
// has failed.
func (w *world) run(until time.Duration, done func() bool) {
	for w.failure == nil && w.now < until && !done() {
		w.turn()
		if w.crashed {
			w.powerFailure()
			continue
		}
		e := w.heap.next()
		if e != nil && e.at <= w.now {
			w.heap.pop()
			e.f()
			continue
		}
		if w.choices(); len(w.ready) == 0 {
			if e == nil {
				w.fail("nothing is left that could happen")
				return
			}
			w.now = min(e.at, until)
			w.showTime()
			continue
		}
		c := w.ready[w.schedule.IntN(len(w.ready))]
		w.now += time.Duration(1000 + w.schedule.IntN(30_000))
		w.showTime()
		w.do(c)
	}
}

// choices lists what could be done now.
func (w *world) choices() {
	w.ready = w.ready[:0]
	for _, p := range w.procs {
		if p.eng == nil || p.paused {
			continue
		}
		p.jobs = p.eng.Jobs(p.jobs[:0])
		for i := range p.jobs {
			w.ready = append(w.ready, choice{p: p, kind: doJob, job: i})
		}
		if p.hung || p.worker == nil {
			continue
		}
		steps, activities := p.worker.Queued()
		if steps > 0 {
			w.ready = append(w.ready, choice{p: p, kind: doStep})
		}
		if activities > 0 {
			w.ready = append(w.ready, choice{p: p, kind: doActivity})
		}
	}
	for i, t := range w.tasks {
		if (t.p == nil || !t.p.paused) && (t.lost || t.ready()) {
			w.ready = append(w.ready, choice{kind: doTask, task: i})
		}
	}
}

// do does one thing.
func (w *world) do(c choice) {
	switch c.kind {
	case doJob:
		c.p.job(c.p.jobs[c.job])
	case doStep:
		n, _ := c.p.worker.Queued()
		w.item("step", c.p, n, c.p.worker.RunStep)
	case doActivity:
		_, n := c.p.worker.Queued()
		w.item("activity", c.p, n, c.p.worker.RunActivity)
	case doTask:
		t := w.tasks[c.task]
		w.tasks = append(w.tasks[:c.task], w.tasks[c.task+1:]...)
		w.note(t.name, t.nr, 0)
		w.resume(t)
	}
}

// item has a worker run one of the n items that it has got.
func (w *world) item(what string, p *process, n int, run func(i int)) {
	i := w.schedule.IntN(min(n, 4))
	w.note(what, uint64(p.nr), uint64(i))
	w.spawn(what, p, func() { run(i) })
}
