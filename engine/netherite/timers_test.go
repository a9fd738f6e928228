package netherite_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/mem"
)

// sleeper is a program that sets timers, all due at a given time, and ends when
// they have fired.
func sleeper(timers int, at func() model.Time, fired func(ev *model.Event)) program {
	return func(past, fresh []model.Event) []model.Event {
		if len(past) == 0 {
			out := make([]model.Event, timers)
			for i := range out {
				out[i] = model.Event{Kind: model.TimerCreated, ID: int32(i), FireAt: at()}
			}
			return out
		}
		for i := range fresh {
			if fresh[i].Kind == model.TimerFired {
				fired(&fresh[i])
			}
		}
		if count(model.TimerFired, past, fresh) == timers {
			return []model.Event{completed(int32(timers), "awake")}
		}
		return nil
	}
}

func TestManyTimersOfOneSecondFireInOrderAndNeverEarly(t *testing.T) {
	const instances, timers = 100, 1000
	due := time.Now().Add(2500 * time.Millisecond)
	var mu sync.Mutex
	var early, disorder int
	latest := map[string]int32{}
	var last time.Time
	e := openHub(t, newMemory(8), func(o *netherite.Options) { o.CheckReplay = false })
	w := newTestWorker()
	next := 0
	w.programs["Sleep"] = func(past, fresh []model.Event) []model.Event {
		id := fresh[0].Instance
		return sleeper(timers, func() model.Time {
			mu.Lock()
			defer mu.Unlock()
			next++
			return model.TimeOf(due.Add(time.Duration(next/timers) * 10 * time.Millisecond))
		}, func(ev *model.Event) {
			mu.Lock()
			defer mu.Unlock()
			last = time.Now()
			if ev.FireAt.Std().After(last) {
				early++
			}
			if prev, ok := latest[id]; ok && ev.Ref < prev && id != "" {
				disorder++
			}
			latest[id] = ev.Ref
		})(past, fresh)
	}
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	for i := range instances {
		if _, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("s", i), Name: "Sleep"}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range instances {
		if _, err := e.Wait(ctx, fmt.Sprint("s", i), engine.UntilEnded, engine.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	took := last.Sub(due.Add(time.Second))
	t.Logf("the last of %d timers fired %v after it was due", instances*timers, took)
	if early > 0 || disorder > 0 {
		t.Errorf("%d fired early, %d out of order", early, disorder)
	}
}

func TestTimersSurviveARestartAndAnEviction(t *testing.T) {
	storage := newMemory(2)
	clock := newSkewClock()
	w := newTestWorker()
	w.programs["Sleep"] = sleeper(3, func() model.Time { return model.TimeOf(clock.Wall().Add(5 * time.Hour)) }, func(*model.Event) {})
	e := openHub(t, storage, func(o *netherite.Options) { o.Clock = clock })
	w.connect(t, e)
	ctx := t.Context()
	for i := range 10 {
		if _, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("s", i), Name: "Sleep"}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Wait(ctx, fmt.Sprint("s", i), engine.UntilStarted, engine.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	clock.skew.Add(int64(6 * time.Hour))
	e = openHub(t, storage, func(o *netherite.Options) { o.Clock = clock })
	w2 := newTestWorker()
	w2.programs = w.programs
	w2.connect(t, e)
	defer w2.close()
	for i := range 10 {
		got, err := e.Wait(ctx, fmt.Sprint("s", i), engine.UntilEnded, engine.GetOptions{Payloads: true})
		if err != nil || !strings.Contains(string(got.Output), "awake") {
			t.Fatalf("%v, %v", got, err)
		}
	}
}

func TestScheduledStartBeginsWhenItIsDue(t *testing.T) {
	clock := newSkewClock()
	e := openHub(t, newMemory(2), func(o *netherite.Options) { o.Clock = clock })
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	at := model.TimeOf(clock.Wall().Add(50 * time.Millisecond))
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "later", Name: "Hello5", At: at}); err != nil {
		t.Fatal(err)
	}
	got, err := e.Wait(ctx, "later", engine.UntilEnded, engine.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.LastUpdated < at {
		t.Errorf("ended at %v, before %v", got.LastUpdated, at)
	}
}

// While a machine sleeps its wall clock goes on and its monotonic clock does not.
// A stored timer that fell due meanwhile fires within a minute of the wake-up,
// also if no timer is in memory that would make the partition look at the clock.
func TestStoredTimerThatFellDueInASuspensionFiresAfterIt(t *testing.T) {
	clock, storage := mem.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), newMemory(1)
	ctx := t.Context()
	open := func() (*netherite.Engine, *hoarder, engine.Connection) {
		e, err := netherite.Open(netherite.Options{Storage: storage, Clock: clock, Logger: testLogger(t)})
		if err != nil {
			t.Fatal(err)
		}
		w := newHoarder("", engine.Limits{})
		return e, w, w.connect(t, e)
	}
	e, w, c := open()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "x", Name: "X"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	due := model.TimeOf(clock.Wall().Add(30 * 24 * time.Hour))
	if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{{Kind: model.TimerCreated, FireAt: due}}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e, w, c = open()
	defer func() {
		c.Close()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	for range 3 { // until nothing is left that would wake the partition
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		e.Waiting("x")
	}
	clock.Jump(31 * 24 * time.Hour)
	clock.Advance(time.Minute)
	w.await(t, "the timer to fire", func() bool { return len(w.steps) == 1 })
	if ev := w.step(0).NewEvents; len(ev) != 1 || ev[0].Kind != model.TimerFired {
		t.Errorf("%+v", ev)
	}
}

// A partition without timers sleeps until stored ones have to be fetched, an hour
// ahead on the wall clock. A timer for later than that does not change when it
// wakes, but that moment has to be looked for on the wall clock from then on.
func TestTimerBeyondTheNextFetchFiresInTimeAfterTheClockWasSet(t *testing.T) {
	clock := mem.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	ctx := t.Context()
	e, err := netherite.Open(netherite.Options{Storage: newMemory(1), Clock: clock, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	defer func() {
		c.Close()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "x", Name: "X"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	clock.Jump(59*time.Minute + 30*time.Second)
	due := model.TimeOf(clock.Wall().Add(time.Minute))
	if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{{Kind: model.TimerCreated, FireAt: due}}}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // until nothing is left that would wake the partition
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		e.Waiting("x")
	}
	clock.Advance(time.Minute)
	clock.Advance(time.Minute)
	w.await(t, "the timer to fire", func() bool { return len(w.steps) == 2 })
	if ev := w.step(1).NewEvents; len(ev) != 1 || ev[0].Kind != model.TimerFired {
		t.Errorf("%+v", ev)
	}
}
