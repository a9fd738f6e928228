package netherite_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine/enginetest"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/internal/leaktest"
)

// inMemory makes hubs in memory, with the replay checker on.
func inMemory(partitions int, change ...func(*netherite.Options)) enginetest.New {
	return func(t *testing.T) enginetest.Storage {
		u := newUnderTest(t, change)
		u.disk = newMemoryDisk(partitions, &u.fault)
		return u
	}
}

// onFiles makes hubs on a crashable file system, with the replay checker on.
func onFiles(partitions int, change ...func(*netherite.Options)) enginetest.New {
	return func(t *testing.T) enginetest.Storage {
		u := newUnderTest(t, change)
		d := newFileDisk(partitions, &u.fault)
		t.Cleanup(d.crash)
		u.disk = d
		return u
	}
}

func newUnderTest(t *testing.T, change []func(*netherite.Options)) *underTest {
	u := &underTest{clock: hubtest.NewFlowing(t)}
	u.fault.left = -1
	u.adapt = func(o *netherite.Options) {
		for _, f := range change {
			f(o)
		}
	}
	return u
}

func TestScenariosInMemory(t *testing.T) { enginetest.Run(t, inMemory(8)) }

func TestScenariosOnFiles(t *testing.T) {
	leaktest.StoresDie(t)
	enginetest.Suite{New: onFiles(4), Light: true}.Run(t)
}

func TestScenariosOfFaultsOnFiles(t *testing.T) {
	leaktest.StoresDie(t)
	enginetest.Suite{New: onFiles(1), Groups: []string{"Faults"}}.Run(t)
}

// spread are the groups of scenarios to which it matters how many partitions
// there are and when these let go of what. The others differ by what a payload, a
// version or a call is, in one instance.
var spread = []string{"Orchestrations", "Queries", "Recovery", "Faults", "Entities", "Control", "Crashes"}

func TestScenariosWithReleaseOfPartitions(t *testing.T) {
	enginetest.Suite{Light: true, Groups: spread, New: inMemory(4, func(o *netherite.Options) { o.Release = netherite.ReleasePartition })}.Run(t)
}

func TestScenariosWithConservativeRelease(t *testing.T) {
	enginetest.Suite{Light: true, Groups: spread, New: inMemory(4, func(o *netherite.Options) { o.Release = netherite.ReleaseConservative })}.Run(t)
}

func TestScenariosWithOnePartition(t *testing.T) {
	enginetest.Suite{Light: true, Groups: spread, New: inMemory(1, func(o *netherite.Options) { o.Gather = 0 })}.Run(t)
}

func TestScenariosWithManyPartitions(t *testing.T) {
	enginetest.Suite{Light: true, Groups: spread, New: inMemory(32)}.Run(t)
}

// Partitions exchange their messages over a transport that loses, duplicates,
// delays and reorders.
func TestScenariosOverChaoticTransport(t *testing.T) {
	var seed atomic.Uint64
	enginetest.Suite{Light: true, Unordered: true, New: inMemory(4, func(o *netherite.Options) {
		o.Transport, o.Resend = hubtest.NewLossy(seed.Add(1), o.Clock).Transport, hubtest.Resend
		o.KeeperTick(time.Millisecond)
	})}.Run(t)
}

// evictAll makes an engine write and evict, after every step, all instances of
// which nothing is handed out.
func evictAll(o *netherite.Options) { o.EvictAlways = true }

// What is evicted after every step goes on as if it had been kept.
func TestScenariosWithEvictionAfterEveryStep(t *testing.T) {
	enginetest.RunEvicted(t, inMemory(4), inMemory(4, evictAll))
}

// With instances evicted all the time, crashes and faults find most of them in
// the store. What memory they take is not compared then.
func TestScenariosOfCrashesWithEviction(t *testing.T) {
	evicting := inMemory(4, evictAll)
	storage := func(t *testing.T) enginetest.Storage { return struct{ enginetest.Storage }{evicting(t)} }
	enginetest.Suite{New: storage, Light: true, Groups: []string{"Recovery", "Faults", "Control", "Crashes", "Entities"}}.Run(t)
}
