package netherite_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// signal gives so many entities something to do.
func signal(t *testing.T, e *netherite.Engine, n int) {
	t.Helper()
	for i := range n {
		if err := e.Signal(t.Context(), engine.SignalRequest{Entity: fmt.Sprint("@counter@", i), Operation: "add"}); err != nil {
			t.Fatal(err)
		}
	}
}

// A worker has no more slots for one kind of work, of which much waits. The other
// kinds go on: what holds the slots may wait for them.
func TestWorkOfOneKindThatPilesUpHoldsUpNoOther(t *testing.T) {
	const many = 100
	for _, release := range []netherite.Release{netherite.ReleaseNode, netherite.ReleaseConservative} {
		open := func(t *testing.T) (*netherite.Engine, *hoarder, engine.Connection) {
			e := openHub(t, newMemory(1), func(o *netherite.Options) { o.Release = release })
			w := newHoarder("", engine.Limits{Orchestrations: 1, Entities: 1})
			c := w.connect(t, e)
			t.Cleanup(c.Close)
			return e, w, c
		}
		t.Run(fmt.Sprint("entities/", release), func(t *testing.T) {
			e, w, c := open(t)
			signal(t, e, many)
			start(t, e, "X", 1)
			w.await(t, "the step", func() bool { return len(w.steps) == 1 })
			if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
				t.Fatal(err)
			}
			w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
		})
		t.Run(fmt.Sprint("orchestrations/", release), func(t *testing.T) {
			e, w, _ := open(t)
			start(t, e, "X", many)
			signal(t, e, 1)
			w.await(t, "the operation", func() bool { return len(w.entities) == 1 })
		})
	}
}

// So it is with what has to be found in the store first.
func TestStoredWorkOfOneKindHoldsUpNoOther(t *testing.T) {
	const many = 300
	for name, begin := range map[string]func(*testing.T, *netherite.Engine){
		"entities": func(t *testing.T, e *netherite.Engine) {
			signal(t, e, many)
			start(t, e, "X", 1)
		},
		"orchestrations": func(t *testing.T, e *netherite.Engine) {
			start(t, e, "X", many)
			signal(t, e, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			storage := newMemory(1)
			e := openHub(t, storage)
			begin(t, e)
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			e = openHub(t, storage, func(o *netherite.Options) { o.CheckReplay = false }) // which has all in memory
			w := newHoarder("", engine.Limits{Orchestrations: 1, Entities: 1})
			defer w.connect(t, e).Close()
			w.await(t, "one of each", func() bool { return len(w.steps) == 1 && len(w.entities) == 1 })
		})
	}
}

// Nor does it hide activities in the store, which have slots of their own: code in a
// slot may wait for one.
func TestStoredActivitiesAreFoundBehindStepsThatPileUp(t *testing.T) {
	const many = 300
	inStore := func(o *netherite.Options) { o.CheckReplay = false } // which has all in memory
	for name, pile := range map[string]func(*testing.T, *netherite.Engine){
		"orchestrations": func(t *testing.T, e *netherite.Engine) { start(t, e, "X", many) },
		"both": func(t *testing.T, e *netherite.Engine) {
			start(t, e, "X", many)
			signal(t, e, many)
		},
	} {
		// reopened is a hub that has stored them, and an activity that comes last.
		reopened := func(t *testing.T) *netherite.Engine {
			storage := newMemory(1)
			e := openHub(t, storage, inStore)
			pile(t, e)
			w := newHoarder("Y", engine.Limits{})
			c := w.connect(t, e)
			start(t, e, "Y", 1)
			w.await(t, "the step", func() bool { return len(w.steps) == 1 })
			if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
				t.Fatal(err)
			}
			w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
			c.Close()
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			return openHub(t, storage, inStore)
		}
		found := func(t *testing.T, e *netherite.Engine) {
			t.Helper()
			w := newHoarder("", engine.Limits{Orchestrations: 1, Entities: 1})
			t.Cleanup(w.connect(t, e).Close)
			w.await(t, "the activity again", func() bool { return len(w.tasks) == 1 })
		}
		t.Run(name+"/among all", func(t *testing.T) { found(t, reopened(t)) })
		t.Run(name+"/among what nobody had code for", func(t *testing.T) {
			e := reopened(t)
			defer newHoarder("Z", engine.Limits{}).connect(t, e).Close()
			for !e.PartitionsRest() { // all is noted as missing
				runtime.Gosched()
			}
			found(t, e)
		})
	}
}

// What is looked at for the sake of other kinds is loaded once, and need not stay in
// memory.
func TestLookingBehindStepsThatPileUpEndsAndTakesNoMemory(t *testing.T) {
	const many, size, limit = 400, 16 << 10, 16 << 20
	storage := newMemory(1)
	narrow := func(o *netherite.Options) {
		o.CheckReplay = false
		o.Memory = limit
		o.KeeperTick(time.Millisecond)
	}
	e := openHub(t, storage, narrow)
	for i := range many {
		patiently(t, func() error {
			_, err := e.Start(t.Context(), engine.StartRequest{Instance: fmt.Sprint("X-", i), Name: "X", Input: make([]byte, size)})
			return err
		})
	}
	signal(t, e, 1)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e = openHub(t, storage, narrow)
	w := newHoarder("", engine.Limits{Orchestrations: 1})
	defer w.connect(t, e).Close()
	w.await(t, "one of each", func() bool { return len(w.steps) == 1 && len(w.entities) == 1 })
	for !e.PartitionsRest() {
		runtime.Gosched()
	}
	s := e.Stats()
	if s.Loads < many || s.Loads > 2*many {
		t.Errorf("%d loads of %d instances", s.Loads, many)
	}
	if s.StateBytes > limit*3/16 { // the share of what may be evicted: half of the limit is set aside
		t.Errorf("%d bytes of state", s.StateBytes)
	}
}

// Steps of what has ended wait for no slot any more, and hold up nothing.
func TestStepsOfWhatHasEndedAreNotWaitedFor(t *testing.T) {
	const many = 100
	for _, release := range []netherite.Release{netherite.ReleaseNode, netherite.ReleaseConservative} {
		for _, purged := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/purged=%v", release, purged), func(t *testing.T) {
				e := openHub(t, newMemory(1), func(o *netherite.Options) { o.Release = release })
				x, y := newHoarder("X", engine.Limits{Orchestrations: 1}), newHoarder("Y", engine.Limits{})
				defer x.connect(t, e).Close()
				defer y.connect(t, e).Close()
				start(t, e, "X", many)
				start(t, e, "Y", 1)
				for i := range many {
					id := fmt.Sprint("X-", i)
					if err := e.Terminate(t.Context(), engine.TerminateRequest{Instance: id}); err != nil {
						t.Fatal(err)
					}
					if !purged {
						continue
					}
					if _, err := e.Purge(t.Context(), id, false); err != nil {
						t.Fatal(err)
					}
				}
				y.await(t, "the step of the other worker", func() bool { return len(y.steps) == 1 })
			})
		}
	}
}

// All that has a slot is handed out, however much there is, without waiting for
// something else to happen.
func TestAllThatHasASlotIsHandedOut(t *testing.T) {
	const many = 1_000
	for _, release := range []netherite.Release{netherite.ReleaseNode, netherite.ReleaseConservative} {
		t.Run(fmt.Sprint(release), func(t *testing.T) {
			e := openHub(t, newMemory(1), func(o *netherite.Options) {
				o.Release = release
				o.Checkpoint = netherite.Checkpoint{Bytes: 1 << 40, Records: 1 << 40, Idle: time.Hour} // each wakes the partition
			})
			if err := e.Checkpoint(t.Context()); err != nil { // of the opening
				t.Fatal(err)
			}
			w := newHoarder("", engine.Limits{Entities: many})
			defer w.connect(t, e).Close()
			var signals sync.WaitGroup
			e.Together("", func() {
				for i := range many {
					signals.Go(func() {
						if err := e.Signal(t.Context(), engine.SignalRequest{Entity: fmt.Sprint("@counter@", i), Operation: "add"}); err != nil {
							t.Error(err)
						}
					})
				}
				e.Arrived("", many)
			})
			signals.Wait()
			w.await(t, "all operations", func() bool { return len(w.entities) == many })
		})
	}
}
