package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// A hub of 16 MiB, of which starts are refused from 4 MiB in use on, and instances of
// 64 KiB: a hundred of them are more than it may have in memory.
const (
	nobodyMemory = 16 << 20
	nobodyInput  = 64 << 10
	nobodyCount  = 200
)

func openNarrowHub(t *testing.T) *netherite.Engine {
	return openHub(t, newMemory(4), func(o *netherite.Options) {
		o.CheckReplay = false
		o.Memory = nobodyMemory
		o.KeeperTick(time.Millisecond)
	})
}

// patiently does what is refused for lack of memory again, for as long as a test may
// take: a hub that has run full of what can lie in the store never takes it.
func patiently(t *testing.T, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrBusy) {
			t.Fatal(err)
		}
		runtime.Gosched()
		if ctx.Err() != nil {
			t.Fatalf("it is refused for ever: %v", err)
		}
	}
}

func startMany(t *testing.T, e *netherite.Engine, prefix, name string, n int) {
	t.Helper()
	for i := range n {
		patiently(t, func() error {
			_, err := e.Start(t.Context(), engine.StartRequest{Instance: fmt.Sprint(prefix, i), Name: name, Input: make([]byte, nobodyInput)})
			return err
		})
	}
}

func allEnd(t *testing.T, e *netherite.Engine, prefix string, n int) {
	t.Helper()
	for i := range n {
		got, err := ended(t.Context(), e, fmt.Sprint(prefix, i))
		if err != nil || got.Status != model.Completed {
			t.Fatalf("%s%d: %v, %v", prefix, i, got, err)
		}
	}
}

// inputSize ends with the size of its input.
func inputSize(past, fresh []model.Event) []model.Event {
	for _, l := range [][]model.Event{past, fresh} {
		for i := range l {
			if l[i].Kind == model.ExecutionStarted {
				return []model.Event{completed(0, fmt.Sprint(len(l[i].Payload)))}
			}
		}
	}
	return nil
}

// connected is a worker that has code for orchestrations of one name.
func connected(t *testing.T, e *netherite.Engine, name string) *testWorker {
	w := newTestWorker()
	w.programs[name] = inputSize
	w.connect(t, e)
	return w
}

// What no worker has code for lies in the store and keeps nobody from starting what
// one has; and it runs once somebody comes who has it.
func TestWorkThatNobodyHasCodeForHoldsUpNoOther(t *testing.T) {
	e := openNarrowHub(t)
	defer connected(t, e, "Some").close()
	startMany(t, e, "n", "Nobody", nobodyCount)
	startMany(t, e, "s", "Some", nobodyCount)
	allEnd(t, e, "s", nobodyCount)
	defer connected(t, e, "Nobody").close()
	allEnd(t, e, "n", nobodyCount)
}

func TestActivitiesAndOperationsThatNobodyHasCodeForHoldUpNoOther(t *testing.T) {
	e := openNarrowHub(t)
	some := newTestWorker()
	some.programs["Some"] = inputSize
	some.programs["Calls"] = func(past, fresh []model.Event) []model.Event {
		switch {
		case count(model.TaskCompleted, past, fresh) > 0:
			return []model.Event{completed(1, "1")}
		case count(model.TaskScheduled, past, fresh) == 0:
			return []model.Event{{Kind: model.TaskScheduled, ID: 0, Name: "Missing"}}
		}
		return nil
	}
	some.connect(t, e)
	defer some.close()
	startMany(t, e, "c", "Calls", nobodyCount)
	for i := range nobodyCount {
		patiently(t, func() error {
			return e.Signal(t.Context(), engine.SignalRequest{Entity: fmt.Sprintf("@missing@%d", i), Operation: "op", Input: make([]byte, nobodyInput)})
		})
	}
	startMany(t, e, "s", "Some", nobodyCount)
	allEnd(t, e, "s", nobodyCount)
	somebody := newTestWorker()
	somebody.activities["Missing"] = func(context.Context, []byte) ([]byte, error) { return nil, nil }
	done := make(chan struct{}, nobodyCount)
	somebody.entities["missing"] = func([]byte, *model.Event) ([]byte, []byte) {
		done <- struct{}{}
		return nil, nil
	}
	somebody.connect(t, e)
	defer somebody.close()
	allEnd(t, e, "c", nobodyCount)
	for range nobodyCount {
		<-done
	}
}

func TestWithoutAnyWorkerAHubTakesMoreThanItHasMemory(t *testing.T) {
	e := openNarrowHub(t)
	startMany(t, e, "n", "Some", nobodyCount)
	defer connected(t, e, "Some").close()
	allEnd(t, e, "n", nobodyCount)
}

func TestWhatHasEndedWithoutAnyWorkerTakesNoMemory(t *testing.T) {
	e := openNarrowHub(t)
	for i := range nobodyCount {
		id := fmt.Sprint("n", i)
		patiently(t, func() error {
			_, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Nobody", Input: make([]byte, nobodyInput)})
			return err
		})
		patiently(t, func() error { return e.Terminate(t.Context(), engine.TerminateRequest{Instance: id}) })
	}
}

// Workers come and go while work waits that only one of them has code for.
func TestWorkIsFoundAgainHoweverOftenWorkersChange(t *testing.T) {
	e := openNarrowHub(t)
	for round := range 5 {
		some := connected(t, e, "Some")
		startMany(t, e, fmt.Sprint("n", round, "-"), "Nobody", nobodyCount/5)
		startMany(t, e, fmt.Sprint("s", round, "-"), "Some", nobodyCount/5)
		allEnd(t, e, fmt.Sprint("s", round, "-"), nobodyCount/5)
		some.close()
	}
	defer connected(t, e, "Nobody").close()
	for round := range 5 {
		allEnd(t, e, fmt.Sprint("n", round, "-"), nobodyCount/5)
	}
}
