package netherite_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// waiter is a program that waits for one event and returns its input's size.
func waiter(past, fresh []model.Event) []model.Event {
	if count(model.EventRaised, past, fresh) == 0 {
		return nil
	}
	for _, l := range [][]model.Event{past, fresh} {
		for i := range l {
			if l[i].Kind == model.ExecutionStarted {
				return []model.Event{completed(0, fmt.Sprint(len(l[i].Payload)))}
			}
		}
	}
	return nil
}

func TestMoreStateThanMemoryIsKeptInTheStore(t *testing.T) {
	const memory, instances, size = 16 << 20, 4000, 16 << 10
	e := openHub(t, newMemory(4), func(o *netherite.Options) {
		o.CheckReplay = false
		o.Memory = memory
		o.KeeperTick(time.Millisecond)
	})
	w := newTestWorker()
	w.programs["Wait"] = waiter
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	input := make([]byte, size)
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for i := c; i < instances; i += 16 {
				for {
					_, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("w", i), Name: "Wait", Input: input})
					if errors.Is(err, engine.ErrBusy) {
						runtime.Gosched()
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
				if s := e.Stats(); s.StateBytes > memory {
					t.Errorf("%d bytes of state", s.StateBytes)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := 0; i < instances; i += 97 {
		id := fmt.Sprint("w", i)
		if err := e.Raise(ctx, engine.RaiseRequest{Instance: id, Event: "go"}); err != nil {
			t.Fatal(err)
		}
		got, err := ended(ctx, e, id)
		if err != nil || string(got.Output) != fmt.Sprint(size) {
			t.Fatalf("%s: %v, %v", id, got, err)
		}
	}
}

func TestAboveTheLimitStartsAreRefusedFirstAndPurgeLast(t *testing.T) {
	const memory = 16 << 20
	// A worker has code for all, and never gets to the second: nothing can be evicted.
	e := openHub(t, newMemory(1), func(o *netherite.Options) {
		o.CheckReplay = false
		o.Memory = memory
	})
	w := newTestWorker()
	w.limits.Orchestrations = 1
	busy := make(chan struct{})
	w.programs["X"] = func(_, _ []model.Event) []model.Event { <-busy; return nil }
	w.connect(t, e)
	defer w.close()
	defer close(busy)
	ctx := t.Context()
	payload := make([]byte, 32<<10) // less than the marks are apart: for a moment a commit's bytes count twice
	fill := func(f func(i int) error) {
		t.Helper()
		for i := range 1000 {
			err := f(i)
			if errors.Is(err, engine.ErrBusy) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("never refused")
	}
	fill(func(i int) error {
		_, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("s", i), Name: "X", Input: payload})
		return err
	})
	fill(func(i int) error {
		return e.Raise(ctx, engine.RaiseRequest{Instance: "s0", Event: "e", Payload: payload})
	})
	if _, err := e.Purge(ctx, "s1", false); err != nil {
		t.Errorf("purge: %v", err)
	}
	if _, err := e.Get(ctx, "s1", engine.GetOptions{}); err != nil {
		t.Errorf("read: %v", err)
	}
}

// Waking instances that are in the store replaces others in memory. That asks for
// a checkpoint when there are enough changes to make one worth while, not when
// memory is full, which it always is.
func TestFullMemoryAloneAsksForNoCheckpoints(t *testing.T) {
	const memory, instances, size = 16 << 20, 10_000, 1 << 10
	e := openHub(t, newMemory(4), func(o *netherite.Options) {
		o.CheckReplay = false
		o.Memory = memory
		o.Checkpoint = netherite.Checkpoint{Bytes: 1 << 40, Records: 1 << 40, Idle: time.Hour}
		o.KeeperTick(time.Millisecond)
	})
	w := newTestWorker()
	w.programs["Wait"] = waiter
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	for i := range instances {
		if _, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("w", i), Name: "Wait", Input: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
	}
	before := e.Stats()
	for i := range instances {
		id := fmt.Sprint("w", i)
		if err := e.Raise(ctx, engine.RaiseRequest{Instance: id, Event: "go"}); err != nil {
			t.Fatal(err)
		}
		if _, err := ended(ctx, e, id); err != nil {
			t.Fatal(err)
		}
	}
	after := e.Stats()
	if loads := after.Loads - before.Loads; loads < instances/2 {
		t.Errorf("%d loads: the instances were in memory", loads)
	}
	if n := after.Checkpoints - before.Checkpoints; n > 60 { // 40 fill half of the states' share with changes
		t.Errorf("%d checkpoints for %d instances", n, instances)
	}
}

// What the scenarios with eviction rely on: an instance that waits is in the
// store and not in memory.
func TestEvictionAfterEveryStepLeavesNoWaitingInstanceInMemory(t *testing.T) {
	const instances, size = 50, 4 << 10
	e := openHub(t, newMemory(2), evictAll)
	w := newTestWorker()
	w.programs["Wait"] = waiter
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	for i := range instances {
		id := fmt.Sprint("w", i)
		if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Wait", Input: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Wait(ctx, id, engine.UntilStarted, engine.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for e.Stats().StateBytes > size { // the last step's checkpoint is under way
		if ctx.Err() != nil {
			t.Fatalf("%d bytes in memory", e.Stats().StateBytes)
		}
		runtime.Gosched()
	}
	for i := range instances {
		id := fmt.Sprint("w", i)
		before := e.Stats().Loads
		if err := e.Raise(ctx, engine.RaiseRequest{Instance: id, Event: "go"}); err != nil {
			t.Fatal(err)
		}
		got, err := ended(ctx, e, id)
		if err != nil || string(got.Output) != fmt.Sprint(size) {
			t.Fatalf("%s: %v, %v", id, got, err)
		}
		if e.Stats().Loads == before {
			t.Errorf("%s was not loaded", id)
		}
	}
}
