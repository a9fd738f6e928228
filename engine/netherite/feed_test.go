package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// hoarder is a worker that keeps what it is offered.
type hoarder struct {
	limits engine.Limits
	name   string // of what it handles; all if empty

	mu        sync.Mutex
	steps     []*engine.OrchestrationItem
	tasks     []*engine.ActivityItem
	entities  []*engine.EntityItem
	cancelled []engine.Token
	stirred   chan struct{}
}

func newHoarder(name string, l engine.Limits) *hoarder {
	return &hoarder{limits: l, name: name, stirred: make(chan struct{}, 1)}
}

func (w *hoarder) Limits() engine.Limits { return w.limits }

func (w *hoarder) Handles(_ engine.ItemKind, name, _ string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.name == "" || w.name == name
}

func (w *hoarder) Offer(i engine.Items) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, i.Orchestrations...)
	w.tasks = append(w.tasks, i.Activities...)
	w.entities = append(w.entities, i.Entities...)
	w.stir()
}

func (w *hoarder) Cancel(t engine.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelled = append(w.cancelled, t)
	w.stir()
}

// step and task return what was offered n-th.
func (w *hoarder) step(n int) *engine.OrchestrationItem {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps[n]
}

func (w *hoarder) task(n int) *engine.ActivityItem {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tasks[n]
}

func (w *hoarder) stir() {
	select {
	case w.stirred <- struct{}{}:
	default:
	}
}

// await waits until the condition holds.
func (w *hoarder) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		w.mu.Lock()
		ok := cond()
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.stirred:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *hoarder) connect(t testing.TB, e engine.Feed) engine.Connection {
	t.Helper()
	c, err := e.Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t testing.TB, e engine.Client, name string, n int) {
	t.Helper()
	for i := range n {
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: fmt.Sprintf("%s-%d", name, i), Name: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func schedule(i *engine.OrchestrationItem, tasks int) *engine.OrchestrationResult {
	r := &engine.OrchestrationResult{Token: i.Token, Now: i.Now}
	for n := range tasks {
		r.Events = append(r.Events, model.Event{Kind: model.TaskScheduled, ID: int32(n), Name: i.Name})
	}
	return r
}

func TestWorkOfAClosedConnectionGoesToAnother(t *testing.T) {
	e := openHub(t, newMemory(4))
	a, b := newHoarder("", engine.Limits{}), newHoarder("", engine.Limits{})
	ca := a.connect(t, e)
	start(t, e, "X", 20)
	a.await(t, "items", func() bool { return len(a.steps) == 20 })
	cb := b.connect(t, e)
	defer cb.Close()
	if err := ca.CompleteOrchestration(schedule(a.step(0), 3)); err != nil {
		t.Fatal(err)
	}
	ca.Close()
	b.await(t, "the items of the closed connection", func() bool { return len(b.steps) == 19 })
	a.mu.Lock()
	given := len(a.tasks)
	a.mu.Unlock()
	b.await(t, "the activities", func() bool { return len(b.tasks)+given >= 3 && len(b.tasks) == 3 })
	if err := ca.CompleteOrchestration(schedule(a.step(1), 0)); !errors.Is(err, engine.ErrStale) {
		t.Errorf("result over a closed connection: %v", err)
	}
	if err := cb.CompleteOrchestration(schedule(a.step(1), 0)); !errors.Is(err, engine.ErrStale) {
		t.Errorf("result of another's hand-out: %v", err)
	}
	if err := cb.CompleteOrchestration(schedule(b.step(0), 0)); err != nil {
		t.Errorf("result: %v", err)
	}
	if err := cb.CompleteOrchestration(schedule(b.step(0), 0)); !errors.Is(err, engine.ErrStale) {
		t.Errorf("second result: %v", err)
	}
}

func TestTheActivitiesOfOneInstanceAreSharedByAllWorkers(t *testing.T) {
	e := openHub(t, newMemory(1))
	a, b := newHoarder("", engine.Limits{}), newHoarder("", engine.Limits{})
	ca, cb := a.connect(t, e), b.connect(t, e)
	defer ca.Close()
	defer cb.Close()
	start(t, e, "X", 1)
	select {
	case <-a.stirred:
		if err := ca.CompleteOrchestration(schedule(a.step(0), 20)); err != nil {
			t.Fatal(err)
		}
	case <-b.stirred:
		if err := cb.CompleteOrchestration(schedule(b.step(0), 20)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []*hoarder{a, b} {
		w.await(t, "half of the activities", func() bool { return len(w.tasks) == 10 })
	}
}

func TestWhatAWorkerGivesBackIsOfferedToTheNextOne(t *testing.T) {
	e := openHub(t, newMemory(1))
	a, b := newHoarder("", engine.Limits{}), newHoarder("", engine.Limits{})
	ca, cb := a.connect(t, e), b.connect(t, e)
	defer ca.Close()
	defer cb.Close()
	start(t, e, "X", 1)
	var err error
	select {
	case <-a.stirred:
		err = ca.Abandon(engine.OrchestrationKind, a.step(0).Token, time.Millisecond)
		b.await(t, "what the other gave back", func() bool { return len(b.steps) == 1 })
	case <-b.stirred:
		err = cb.Abandon(engine.OrchestrationKind, b.step(0).Token, time.Millisecond)
		a.await(t, "what the other gave back", func() bool { return len(a.steps) == 1 })
	}
	if err != nil {
		t.Error(err)
	}
}

func TestLimitsBoundWhatAWorkerHasAndNoPartitionStarves(t *testing.T) {
	e := openHub(t, newMemory(4))
	w := newHoarder("", engine.Limits{Orchestrations: 3, Activities: 5, Entities: 1})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 40)
	seen := map[uint32]int{}
	for n := range 40 {
		w.await(t, "another item", func() bool { return len(w.steps) > n })
		w.mu.Lock()
		if have := len(w.steps) - n; have > 3 {
			t.Errorf("the worker has %d", have)
		}
		i := w.steps[n]
		w.mu.Unlock()
		seen[i.Token.Partition]++
		r := &engine.OrchestrationResult{Token: i.Token, Now: i.Now, Events: []model.Event{completed(0, "")}}
		if err := c.CompleteOrchestration(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 4 {
		t.Errorf("items by partition: %v", seen)
	}
}

func TestOrchestrationsBeginAsOthersEndOnceAsManyAreAtWorkAsAreKeptAlive(t *testing.T) {
	const live, all = 8, 100
	e := openHub(t, newMemory(1), func(o *netherite.Options) { o.KeeperTick(time.Hour) })
	w := newHoarder("", engine.Limits{Live: live})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", all)
	for n := range all {
		w.await(t, fmt.Sprint("item ", n), func() bool { return len(w.steps) > n })
		w.mu.Lock()
		if have := len(w.steps) - n; have > live+1 {
			t.Fatalf("the worker has %d, and keeps %d alive", have, live)
		}
		i := w.steps[n]
		w.mu.Unlock()
		r := &engine.OrchestrationResult{Token: i.Token, Now: i.Now, Events: []model.Event{completed(0, "")}}
		if err := c.CompleteOrchestration(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrchestrationsBeginInTimeAlthoughOthersTakeLong(t *testing.T) {
	const live, all = 8, 50
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{Live: live})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", all)
	for n := range all {
		w.await(t, fmt.Sprint("item ", n), func() bool { return len(w.steps) > n })
		if n%10 == 0 {
			continue // a step that never ends
		}
		if err := c.CompleteOrchestration(schedule(w.step(n), 1)); err != nil { // an activity that never ends
			t.Fatal(err)
		}
	}
}

func TestWorkWithoutAHandlerWaitsVisiblyAndFlowsWhenOneComes(t *testing.T) {
	e := openHub(t, newMemory(2))
	x := newHoarder("X", engine.Limits{})
	cx := x.connect(t, e)
	defer cx.Close()
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "y", Name: "Y", Version: "2"}); err != nil {
		t.Fatal(err)
	}
	start(t, e, "X", 5)
	x.await(t, "its own work", func() bool { return len(x.steps) == 5 })
	i, err := e.Get(ctx, "y", engine.GetOptions{Waits: true})
	if err != nil || i.Waits.NoHandler != "orchestration Y version 2" {
		t.Fatalf("%v, %v", i, err)
	}
	y := newHoarder("Y", engine.Limits{})
	cy := y.connect(t, e)
	defer cy.Close()
	y.await(t, "the work that waited", func() bool { return len(y.steps) == 1 })
	if i, err := e.Get(ctx, "y", engine.GetOptions{Waits: true}); err != nil || i.Waits.NoHandler != "" {
		t.Errorf("%v, %v", i.Waits, err)
	}
}

// versioned is a hoarder that has code for one version only.
type versioned struct {
	*hoarder
	version string
}

func (w versioned) Handles(_ engine.ItemKind, _, version string) bool { return version == w.version }

func TestCodeForOneVersionOfAnActivityIsNoMissingHandler(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := versioned{newHoarder("", engine.Limits{}), "2"}
	c, err := e.Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "X", Version: "2"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{
		{Kind: model.TaskScheduled, ID: 0, Name: "A", Version: "2"},
		{Kind: model.TaskScheduled, ID: 1, Name: "A", Version: "3"},
		{Kind: model.TimerCreated, ID: 2, Name: "A", FireAt: model.TimeOf(time.Now().Add(time.Hour)), Ext: &model.Ext{Attempt: 2}},
	}}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
	i, err := e.Get(t.Context(), "x", engine.GetOptions{Waits: true})
	if err != nil || len(i.Waits.Tasks) != 3 {
		t.Fatalf("%+v, %v", i, err)
	}
	for n, want := range []model.WaitTask{
		{ID: 0, Name: "A", Version: "2", Attempt: 1, Running: true},
		{ID: 1, Name: "A", Version: "3", Attempt: 1, NoHandler: true},
		{ID: 2, Name: "A", Attempt: 2, NextRetry: i.Waits.Tasks[2].NextRetry},
	} {
		if got := i.Waits.Tasks[n]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestAbandonedWorkIsOfferedAgainAfterItsDelay(t *testing.T) {
	e := openHub(t, newMemory(2))
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 1)
	for n := range 3 {
		w.await(t, "the item", func() bool { return len(w.steps) > n })
		if err := c.Abandon(engine.OrchestrationKind, w.step(n).Token, time.Duration(n)*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	w.await(t, "the item", func() bool { return len(w.steps) == 4 })
	if w.step(0).Token == w.step(3).Token {
		t.Error("a hand-out's token was used twice")
	}
}

func TestTerminateCancelsRunningActivities(t *testing.T) {
	e := openHub(t, newMemory(2))
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(schedule(w.step(0), 4)); err != nil {
		t.Fatal(err)
	}
	w.await(t, "activities", func() bool { return len(w.tasks) == 4 })
	if err := e.Terminate(t.Context(), engine.TerminateRequest{Instance: "X-0"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "cancellations", func() bool { return len(w.cancelled) == 4 })
}

func TestCloseWaitsForRunningWorkAndCancelsActivitiesWhenItsContextEnds(t *testing.T) {
	storage := newMemory(2)
	e, err := netherite.Open(netherite.Options{Storage: storage, CheckReplay: true, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(schedule(w.step(0), 2)); err != nil {
		t.Fatal(err)
	}
	w.await(t, "activities", func() bool { return len(w.tasks) == 2 })
	waiting := make(chan error, 1)
	go func() {
		_, err := e.Wait(context.Background(), "X-0", engine.UntilEnded, engine.GetOptions{})
		waiting <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() { closed <- e.Close(ctx) }()
	for {
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "late", Name: "X"}); errors.Is(err, engine.ErrClosed) {
			break
		}
	}
	if err := c.CompleteActivity(&engine.ActivityResult{Token: w.task(0).Token, Result: []byte("done")}); err != nil {
		t.Errorf("an activity that ends while the hub closes: %v", err)
	}
	select {
	case err := <-closed:
		t.Fatalf("closed with an activity running: %v", err)
	default:
	}
	cancel()
	w.await(t, "a cancellation", func() bool { return len(w.cancelled) > 0 })
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-waiting; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("wait across close: %v", err)
	}
	if _, err := e.Get(t.Context(), "X-0", engine.GetOptions{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	if err := c.CompleteActivity(&engine.ActivityResult{Token: w.task(1).Token}); !errors.Is(err, engine.ErrStale) {
		t.Errorf("result after close: %v", err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
	again := openHub(t, storage)
	if s := again.Stats(); s.Replayed != 0 {
		t.Errorf("a clean reopen replayed %d records", s.Replayed)
	}
	w2 := newHoarder("", engine.Limits{})
	c2 := w2.connect(t, again)
	defer c2.Close()
	w2.await(t, "the other activity, and the step with the first's result", func() bool {
		return len(w2.tasks) == 1 && slices.ContainsFunc(w2.steps, func(i *engine.OrchestrationItem) bool { return i.Instance == "X-0" })
	})
}

// What a worker has code for may change: routes are asked for anew, what waited for
// it comes, and what it has stays its own.
func TestAWorkerWhoseCodeChangesIsOfferedWhatItHandlesNow(t *testing.T) {
	e := openHub(t, newMemory(2))
	w := newHoarder("B", engine.Limits{})
	c := w.connect(t, e)
	handle := func(name string) {
		w.mu.Lock()
		w.name = name
		w.mu.Unlock()
		c.Changed()
	}
	start(t, e, "A", 3)
	handle("A")
	w.await(t, "what waited", func() bool { return len(w.steps) == 3 })
	handle("B")
	for i := range 3 {
		if err := c.CompleteOrchestration(schedule(w.step(i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	i, err := e.Get(t.Context(), "A-0", engine.GetOptions{Waits: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(i.Waits.Tasks) != 1 || !i.Waits.Tasks[0].NoHandler {
		t.Errorf("it waits for %+v", i.Waits)
	}
	handle("A")
	w.await(t, "the activities", func() bool { return len(w.tasks) == 3 })
	c.Close()
	c.Changed() // after which it is nobody's business
}
