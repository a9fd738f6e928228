package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
)

// Fault is a kind of fault that a run can have. Each run has some of them.
type Fault uint

// The kinds of faults.
const (
	Crashes      Fault = iota // the machine loses power, at any operation on its disk
	Kills                     // the process dies, and the machine goes on
	Zombies                   // the hub is opened again while the old process runs on
	DiskErrors                // a write, sync, rename or open fails
	StoreErrors               // so does the state store
	FullDisks                 // there is no space for a while
	SlowDisks                 // syncs take long
	BitFlips                  // bits flip on the disk while the hub is down
	LostFrames                // messages between partitions get lost
	TwinFrames                // they arrive twice
	LateFrames                // they are delayed, and so reordered
	ClockJumps                // the wall clock jumps, either way
	WorkerLosses              // workers disconnect with what they have
	TwinResults               // workers hand in results twice
	BadTasks                  // activities fail or hang
	Impatience                // clients give up waiting, and try again
	Pauses                    // the process stands still for a while, in the middle of whatever it does
	Poison                    // the core cannot apply what comes for some instances, for a while
	DamagedRows               // a row of the store is damaged, so that its partition parks, until it is put back
	faultKinds
)

var faultNames = [...]string{
	"crashes", "kills", "zombies", "disk-errors", "store-errors", "full-disks", "slow-disks", "bit-flips",
	"lost-frames", "twin-frames", "late-frames", "clock-jumps", "worker-losses", "twin-results", "bad-tasks", "impatience", "pauses", "poison",
	"damaged-rows",
}

// repeating are the kinds that can make an activity run more than once.
var repeating = []Fault{Crashes, Kills, Zombies, DiskErrors, StoreErrors, WorkerLosses, BadTasks, Pauses, Poison, DamagedRows}

// String is the fault's name, as --without takes it.
func (f Fault) String() string { return faultNames[f] }

// FaultNames lists the names of all kinds of faults.
func FaultNames() []string { return faultNames[:] }

// ParseFaults is the inverse of String, for a list.
func ParseFaults(names []string) ([]Fault, error) {
	var list []Fault
	for _, name := range names {
		i := slices.Index(faultNames[:], name)
		if i < 0 {
			return nil, fmt.Errorf("there is no kind of fault called %q, there are %s", name, strings.Join(faultNames[:], ", "))
		}
		list = append(list, Fault(i))
	}
	return list, nil
}

// Tally is how often each kind of fault has happened.
type Tally [faultKinds]int

// Add adds another one.
func (t *Tally) Add(other *Tally) {
	for f := range t {
		t[f] += other[f]
	}
}

// What each run has at least, unless it is told to have less.
const (
	leastEvents = 2_000
	leastFaults = 10
)

// tooLittle is what is wrong with a run that has less; nil: nothing. One that had to
// leave something out may have.
func (o *Options) tooLittle(events, faults int) error {
	if events >= leastEvents && faults >= leastFaults || o.Operations > 0 || len(o.Without) > 0 {
		return nil
	}
	return fmt.Errorf("too little: it has %d events and %d faults, of at least %d and %d", events, faults, leastEvents, leastFaults)
}

// plan is what a seed decides before a run begins.
type plan struct {
	faults     [faultKinds]bool
	without    [faultKinds]bool // that it must not have
	operations int              // of all clients on a day, at most; 0: no bound
	events     int              // that clients are to cause
	clients    int
	night      time.Duration // in which nothing is asked, before it all begins again; mostly none
	chaos      time.Duration // at most, in virtual time
	pause      time.Duration // between faults, about

	partitions  int
	release     netherite.Release
	checkpoint  netherite.Checkpoint
	keeperTick  time.Duration
	resend      time.Duration
	segment     int64 // bytes
	maxBatch    int
	cache       int // live copies of the worker; negative none
	evictAlways bool
	checkReplay bool
	retention   time.Duration
	reread      bool // everything is read again after a last kill
	backup      bool // the hub is copied while it runs, and the copy tried
	glut        bool // the log is filled while the disk is full
	accounts    int
	slow        time.Duration // the longest sync of a slow disk
	drift       float64       // by how much the wall clock is too fast, of the time that passes
	lost, twins int           // frames in a hundred
	errorOf     int           // of how many operations that change the disk one fails
	dooms       bool          // some of what is set aside is ended, in place of being tried again
	watches     bool          // some clients watch what others do
	throngs     bool          // many clients come at once, now and then
	bulky       bool          // some of what clients start carries a large load
	limit       int           // bytes of a payload, at most
	window      int64         // bytes under way between two partitions; 0: what is usual
}

// newPlan draws a plan.
func newPlan(seed uint64, o Options) plan {
	r := rand.New(rand.NewPCG(seed, 100))
	pick := func(n ...int) int { return n[r.IntN(len(n))] }
	p := plan{
		events: leastEvents + r.IntN(100), clients: 4 + r.IntN(6),
		chaos: 2 * time.Hour, pause: time.Duration(2000+r.IntN(15_000)) * time.Millisecond,
		partitions: pick(1, 2, 3, 4, 4, 6), release: netherite.Release(pick(0, 0, 0, 1, 2)),
		checkpoint: netherite.Checkpoint{
			Records: int64(pick(20, 100, 400, 100_000)), Idle: time.Duration(pick(100, 1000, 5000)) * time.Millisecond,
		},
		keeperTick: time.Duration(pick(50, 200, 1000)) * time.Millisecond, segment: int64(pick(8, 16, 64)) << 10,
		maxBatch: pick(0, 0, 1, 5), cache: pick(0, 0, -1, 3), evictAlways: r.IntN(8) == 0, checkReplay: r.IntN(6) == 0,
		accounts: 3 + r.IntN(4), slow: time.Duration(pick(50, 1000, 30_000)) * time.Millisecond,
		retention: -1,
	}
	for f := range DamagedRows { // which has a source of its own
		p.faults[f] = r.IntN(2) == 0
	}
	if r.IntN(12) == 0 {
		for _, f := range repeating {
			p.faults[f] = false
		}
	}
	p.reread = r.IntN(4) == 0
	if r.IntN(6) == 0 {
		p.night = time.Duration(1+r.IntN(20)) * time.Hour
		p.faults[LostFrames], p.faults[TwinFrames], p.faults[LateFrames] = false, false, false
	}
	if r.IntN(3) == 0 {
		p.retention = time.Duration(10+r.IntN(50)) * time.Minute
	}
	if p.has(LostFrames) || p.has(TwinFrames) || p.has(LateFrames) {
		p.resend = time.Duration(pick(200, 1000)) * time.Millisecond
	}
	p.backup = r.IntN(6) == 0
	p.window = int64(pick(0, 0, 0, 0, 0, 0, 1, 2<<10))     // the last draw, so that it does not reshuffle the rest
	p.glut = rand.New(rand.NewPCG(seed, 101)).IntN(8) == 0 // of its own, for the same reason
	p.lost, p.twins, p.errorOf = 8, 20, 400
	more := rand.New(rand.NewPCG(seed, 102)) // of its own, too
	if more.IntN(8) == 0 {
		p.lost, p.twins, p.errorOf = 30, 50, 50
	}
	if p.has(ClockJumps) && more.IntN(2) == 0 {
		p.drift = 0.05 * (2*more.Float64() - 1)
	}
	p.limit = netherite.DefaultMaxPayload
	size := rand.New(rand.NewPCG(seed, 103)) // of its own, again
	if size.IntN(40) == 0 {
		p.partitions = 32
	}
	p.throngs, p.bulky = size.IntN(12) == 0, size.IntN(8) == 0
	if p.bulky && size.IntN(2) == 0 {
		p.limit = smallLimit
	}
	p.oftener(seed)
	p.faults[DamagedRows] = p.parks(seed)
	p.operations = o.Operations
	for _, f := range o.Without {
		p.faults[f], p.without[f] = false, true
	}
	return p
}

// oftener has a run come more often to paths to which the plan drawn so far leads
// less than one run in ten.
func (p *plan) oftener(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 104)) // of its own, again
	p.dooms = p.has(Poison) && r.IntN(2) == 0
	p.glut = p.glut || r.IntN(12) == 0
	p.faults[FullDisks] = p.has(FullDisks) || p.glut // else it is never full
	p.evictAlways = p.evictAlways || r.IntN(16) == 0
	if p.evictAlways && slices.ContainsFunc(repeating, p.has) {
		p.faults[WorkerLosses] = true // for who is evicted while nobody can run it
	}
	if r.IntN(16) == 0 && !p.bulky {
		p.bulky, p.limit = true, smallLimit
	}
	p.watches = r.IntN(4) == 0
}

// harden gives a run another kind of fault, if those that were drawn for it hardly
// ever happen in it, such as late frames where there is one partition.
func (p *plan) harden() {
	p.faults[TwinResults] = !p.without[TwinResults]
}

func (p *plan) has(f Fault) bool { return p.faults[f] }
