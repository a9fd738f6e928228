package linear_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// roundsVariable says how many histories of each kind to record; default 1.
const roundsVariable = "NETHERITE_LINEAR_ROUNDS"

func rounds(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(roundsVariable)
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", roundsVariable, err)
	}
	return n
}

// trial is how a history comes to be.
type trial struct {
	seed    uint64
	crashes int
	kills   int // of the process, while power stays
	errors  int // operations on files that fail
	full    int // times in which the disk is full
	lossy   bool
	release netherite.Release
	lie     func(faultfs.Op) bool // syncs that are reported and not done
	plain   bool                  // clients post and read, and start nothing; a crash keeps nothing that was not synced
	clients int
	each    int // operations of a client
	keys    int
}

// run lets clients work while the hub crashes, and returns what they saw.
func (c trial) run(t *testing.T, work func(r *recorder, client int, rng *rand.Rand)) *recorder {
	t.Helper()
	o := hubtest.Options{
		Disk:   &hubtest.Disk{FS: faultfs.New(), Partitions: 4, SegmentBytes: 32 << 10},
		Engine: netherite.Options{Release: c.release, CheckReplay: true, Backoff: []time.Duration{0, time.Millisecond}, Checkpoint: netherite.Checkpoint{Records: 300, Idle: 10 * time.Millisecond}, Clock: sysclock.New()},
		Worker: worker.Options{Handlers: code},
	}
	if c.plain {
		o.Engine.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	}
	lossy := hubtest.NewLossy(c.seed, o.Engine.Clock)
	if c.lossy {
		o.Engine.Transport, o.Engine.Resend = lossy.Transport, hubtest.Resend
	}
	hub, err := hubtest.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	d := &disaster{trial: c, hub: hub, disk: o.Disk, rng: rand.New(rand.NewPCG(c.seed, 1<<32))}
	d.lies() // not before: an opening of which nothing is left is missed
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := newRecorder(hub, ctx)
	troubles := c.troubles(d.rng)
	for i := range troubles {
		r.after[(i+1)*c.clients*c.each/(len(troubles)+2)] = i + 1
	}
	var clients, crasher sync.WaitGroup
	for i := range c.clients {
		clients.Go(func() { work(r, i, rand.New(rand.NewPCG(c.seed, uint64(i)))) })
	}
	crasher.Go(func() {
		for i := range r.due {
			if err := d.strike(troubles[i-1], r); err != nil {
				r.fail(err)
				cancel() // nobody would answer
				return
			}
		}
	})
	clients.Wait()
	close(r.due)
	close(r.ended)
	crasher.Wait()
	d.end()
	if len(r.lives) > 0 {
		r.livesAtRest(c.keys)
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.happened.lost, r.happened.twice = lossy.Faults()
	r.happened.failed = int(d.failed.Load())
	if crashes := int(hub.Failures()); crashes != c.crashes+c.kills {
		t.Fatalf("seed %d: the hub crashed or was killed %d times, not %d", c.seed, crashes, c.crashes+c.kills)
	}
	if n := r.happened.unanswered; c.crashes+c.kills == 0 && n > 0 {
		t.Fatalf("seed %d: %d requests had no answer, though nothing crashed", c.seed, n)
	}
	t.Logf("seed %d: %+v", c.seed, r.happened)
	return r
}

// trials are the conditions under which everything is linearizable.
var trials = map[string]trial{
	"Quiet":           {},
	"Crashes":         {crashes: 5},
	"LossyTransport":  {lossy: true},
	"LossyAndCrashes": {lossy: true, crashes: 5},
	"ByPartition":     {crashes: 3, release: netherite.ReleasePartition},
	"Conservative":    {crashes: 3, lossy: true, release: netherite.ReleaseConservative},
	"Kills":           {kills: 5},
	"KillsAndCrashes": {kills: 3, crashes: 3},
	"DiskErrors":      {errors: 5},
	"FullDisk":        {full: 2},
	"Everything":      {crashes: 2, kills: 2, errors: 3, full: 1, lossy: true},
}

func cellsOf(c trial) func(*recorder, int, *rand.Rand) {
	return func(r *recorder, client int, rng *rand.Rand) { r.cellClient(client, c, rng) }
}

func livesOf(c trial) func(*recorder, int, *rand.Rand) {
	return func(r *recorder, client int, rng *rand.Rand) { r.lifeClient(client, c.each, c.keys, rng) }
}

// moreRounds is how many rounds a trial may take beyond those that are wanted until
// all that it is for has happened in one of them.
const moreRounds = 20

// explain runs a trial for some rounds, of which each must have an order. In one of
// them at least the trial must have done what it is for, or it has shown nothing.
func (c trial) explain(t *testing.T, work func(trial) func(*recorder, int, *rand.Rand), ordered func(*recorder) error) {
	t.Helper()
	var sum tally
	wanted := rounds(t)
	for c.seed = 0; c.seed < wanted || c.seed < wanted+moreRounds && len(sum.missing(c)) > 0; c.seed++ {
		r := c.run(t, work(c))
		if err := ordered(r); err != nil {
			t.Fatalf("seed %d: %v", c.seed, err)
		}
		sum.add(r.happened)
	}
	if what := sum.missing(c); len(what) > 0 {
		t.Errorf("in %d rounds there was none of: %v: it has shown nothing of that", c.seed, what)
	}
}

func TestOperationsOfAnEntityAreLinearizable(t *testing.T) {
	leaktest.StoresDie(t)
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.clients, c.each, c.keys = 6, 40, 3
			c.explain(t, cellsOf, func(r *recorder) error { return check(cellModel, r.cells) })
		})
	}
}

func TestTheLifeOfAnInstanceIsLinearizable(t *testing.T) {
	leaktest.StoresDie(t)
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.clients, c.each, c.keys = 6, 80, 4
			c.explain(t, livesOf, func(r *recorder) error { return check(lifeModel.ToModel(), r.lives) })
		})
	}
}

// A hub that acknowledges what it has not synced loses it in a crash. That is
// seen by the clients alone.
func TestAcknowledgedAndLostIsNotLinearizable(t *testing.T) {
	c := trial{crashes: 4, clients: 4, each: 60, keys: 2, plain: true}
	c.lie = func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Path, ".log") }
	for c.seed = range 10 {
		r := c.run(t, cellsOf(c))
		if err := check(cellModel, r.cells); err != nil {
			t.Log(err)
			return
		}
	}
	t.Error("nobody noticed")
}

// One wrong answer in the history of a real run, after everything else, is found.
func TestOneStaleAnswerIsRejected(t *testing.T) {
	c := trial{clients: 4, each: 20, keys: 1}
	r := c.run(t, cellsOf(c))
	write := func(n int64) {
		r.note(r.cells, "k0", 0, r.tick(), cellInput{Key: "k0", Op: "set", Posted: true, A: n}, cellOutput{known: true}, true)
	}
	read := func(n int64) {
		r.note(r.cells, "k0", 1, r.tick(), cellInput{Key: "k0", Op: "read"}, cellOutput{known: true, was: n}, true)
	}
	write(100)
	write(101)
	read(101)
	if err := check(cellModel, r.cells); err != nil {
		t.Fatal(err)
	}
	read(100)
	if err := check(cellModel, r.cells); err == nil {
		t.Error("a stale read was accepted")
	}

	r = c.run(t, livesOf(c))
	request := func(in lifeInput, out lifeOutput) {
		r.note(r.lives, "i0", 0, r.tick(), in, out, true)
	}
	request(lifeReplace, ok)
	request(lifeEnd, ok)
	request(lifeGet, terminated)
	if err := check(lifeModel.ToModel(), r.lives); err != nil {
		t.Fatal(err)
	}
	request(lifeGet, running)
	if err := check(lifeModel.ToModel(), r.lives); err == nil {
		t.Error("an instance that came back to life was accepted")
	}
}
