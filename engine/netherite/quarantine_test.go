package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

func TestPanicOfTheCoreQuarantinesOneInstanceAndNothingElse(t *testing.T) {
	storage := newMemory(2)
	var poisoned atomic.Int64
	poison := func(_ int, ev partition.Event) {
		if r, ok := ev.(*partition.TaskDone); ok && string(r.Result) == "poison" {
			poisoned.Add(1)
			panic("poisonous result")
		}
	}
	e := openHub(t, storage, func(o *netherite.Options) { o.BeforeStep(poison) })
	startBad(t, e)
	ctx := t.Context()
	startAndWait(t, e, "Hello5", 60, 8)
	i, err := e.Get(ctx, "bad", engine.GetOptions{Waits: true})
	if err != nil {
		t.Fatal(err)
	}
	if i.Waits.Quarantine == nil || poisoned.Load() != 1 {
		t.Errorf("quarantine %v after %d panics", i.Waits.Quarantine, poisoned.Load())
	}
	if err := e.Terminate(ctx, engine.TerminateRequest{Instance: "bad"}); err != nil {
		t.Errorf("terminate the quarantined instance: %v", err)
	}
	if i, err := e.Get(ctx, "bad", engine.GetOptions{}); err != nil || i.Status != model.Terminated {
		t.Errorf("after terminate: %v, %v", i, err)
	}
}

// serveBad connects a worker that also has an orchestration whose activity returns
// poison.
func serveBad(t *testing.T, e *netherite.Engine) {
	t.Helper()
	w := helloWorker()
	w.programs["Bad"] = chain("Poison", 1)
	w.activities["Poison"] = func(context.Context, []byte) ([]byte, error) { return []byte("poison"), nil }
	w.connect(t, e)
	t.Cleanup(w.close)
}

// startBad starts such an orchestration.
func startBad(t *testing.T, e *netherite.Engine) {
	t.Helper()
	serveBad(t, e)
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "bad", Name: "Bad"}); err != nil {
		t.Fatal(err)
	}
}

func TestPanicOnARequestIsAnErrorForItsClientOnly(t *testing.T) {
	e := openHub(t, newMemory(2), func(o *netherite.Options) {
		o.BeforeStep(func(_ int, ev partition.Event) {
			if c, ok := ev.(*partition.Command); ok && c.Name == "poison" {
				panic("poisonous request")
			}
		})
	})
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	startAndWait(t, e, "Hello5", 10, 2)
	err := e.Signal(ctx, engine.SignalRequest{Entity: "@counter@a", Operation: "poison"})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("poisonous signal: %v", err)
	}
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@counter@a", Operation: "fine"}); err != nil {
		t.Errorf("next signal: %v", err)
	}
}

// TestPanicsAmidWorkLoseNothing makes any Step panic now and then, the same one
// never twice in a row, so that each rebuild gets on. Messages that are set
// aside leave their instance in quarantine: the ledger must be whole without
// them, so only requests and results panic here.
func TestRebuildAmidWorkLosesNothing(t *testing.T) {
	for seed := range uint64(3) {
		var n atomic.Int64
		e := openHub(t, newMemory(4), func(o *netherite.Options) {
			o.BeforeStep(func(_ int, ev partition.Event) {
				if r, ok := ev.(*partition.Received); ok && len(r.Messages) > 1 && n.Add(1)%5 == 0 {
					panic("now and then")
				}
			})
		})
		l := newLedger(6)
		w := l.worker()
		w.connect(t, e)
		l.run(t.Context(), t, e, 0, 150, 8, rand.New(rand.NewPCG(seed, 9)))
		l.check(t, e)
		w.close()
		if s := e.Stats(); s.Panics == 0 || s.Parked != 0 {
			t.Errorf("%d panics, %d parked", s.Panics, s.Parked)
		}
	}
}

func TestPartitionThatCannotGoOnIsParkedAndTheOthersRun(t *testing.T) {
	e := openHub(t, newMemory(4), func(o *netherite.Options) {
		o.BeforeStep(func(p int, ev partition.Event) {
			if _, ok := ev.(*partition.Quarantined); ok || p == 2 {
				if _, opened := ev.(*partition.Opened); !opened {
					panic("beyond help")
				}
			}
		})
	})
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	seen := map[int]bool{}
	for i := range 60 {
		id := fmt.Sprintf("i-%d", i)
		p := model.PartitionOf(id, 4)
		_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Hello5"})
		if p == 2 {
			if !errors.Is(err, engine.ErrUnavailable) {
				t.Fatalf("start in the bad partition: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[p] = true
		if _, err := e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("partitions that ran: %v", seen)
	}
}
