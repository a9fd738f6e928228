package worker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker/replay"
)

func TestIncompleteCodeIsRefusedAtConstruction(t *testing.T) {
	nop := Activity(func(context.Context, []byte) ([]byte, *model.Failure) { return nil, nil })
	for name, tt := range map[string]struct {
		handlers []Handler
		want     string
	}{
		"nil":      {[]Handler{nil}, "handler 1 of 1 is nil"},
		"no code":  {[]Handler{activity("A", nil)}, `activity "A" has no code`},
		"no name":  {[]Handler{activity("", nop)}, "activity name is empty"},
		"twice":    {[]Handler{activity("A", nop), activity("A", nop)}, `activity "A" is registered twice`},
		"no orch":  {[]Handler{coded{Kind: engine.OrchestrationKind, Name: "O", Version: "1"}}, `orchestration "O" version "1" has no code`},
		"no clock": {nil, "Clock is required"},
	} {
		o := Options{Handlers: tt.handlers, Clock: sysclock.New()}
		if name == "no clock" {
			o.Clock = nil
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHandlesAnswersForVersions(t *testing.T) {
	nop := Activity(func(context.Context, []byte) ([]byte, *model.Failure) { return nil, nil })
	w, _ := serve(t, nil, activity("A", nop), coded{Kind: engine.ActivityKind, Name: "B", Version: "2", Activity: nop})
	for _, tt := range []struct {
		name, version string
		want          bool
	}{{"A", "", true}, {"A", "7", true}, {"B", "2", true}, {"B", "", false}, {"B", "3", false}, {"C", "", false}} {
		if got := w.Handles(engine.ActivityKind, tt.name, tt.version); got != tt.want {
			t.Errorf("%v: %v", tt, got)
		}
	}
	if w.Handles(engine.OrchestrationKind, "A", "") {
		t.Error("kinds are mixed up")
	}
}

func TestBlockingActivitiesRunBesideEachOtherUpToTheLimit(t *testing.T) {
	const limit = 50
	var running, most atomic.Int64
	release := make(chan struct{})
	full := make(chan struct{})
	once := sync.OnceFunc(func() { close(full) })
	w, d := serve(t, func(o *Options) { o.Activities = limit }, activity("block", func(context.Context, []byte) ([]byte, *model.Failure) {
		n := running.Add(1)
		most.Store(max(most.Load(), n))
		if n == limit {
			once()
		}
		<-release
		running.Add(-1)
		return nil, nil
	}))
	var items engine.Items
	for i := range 3 * limit {
		items.Activities = append(items.Activities, activityItem("block", i))
	}
	w.Offer(items)
	receive(t, full)
	if n := running.Load(); n != limit {
		t.Errorf("%d run at a time", n)
	}
	close(release)
	for range 3 * limit {
		receive(t, d.activities)
	}
	if most.Load() > limit {
		t.Errorf("%d ran at a time", most.Load())
	}
}

func TestTrivialActivitiesNeedFewGoroutines(t *testing.T) {
	var most, running atomic.Int64
	w, d := serve(t, nil, activity("trivial", func(context.Context, []byte) ([]byte, *model.Failure) {
		most.Store(max(most.Load(), running.Add(1)))
		running.Add(-1)
		return nil, nil
	}))
	var items engine.Items
	for i := range 5000 {
		items.Activities = append(items.Activities, activityItem("trivial", i))
	}
	w.Offer(items)
	for range 5000 {
		receive(t, d.activities)
	}
	if n := most.Load(); n > int64(4*runtime.GOMAXPROCS(0)+8) {
		t.Errorf("%d goroutines for trivial work", n)
	}
}

func TestCancelReachesRunningAndWaitingActivities(t *testing.T) {
	began := make(chan struct{}, 2)
	w, d := serve(t, func(o *Options) { o.Activities = 1 }, activity("wait", func(ctx context.Context, _ []byte) ([]byte, *model.Failure) {
		began <- struct{}{}
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		<-derived.Done()
		return nil, &model.Failure{Message: context.Cause(derived).Error()}
	}))
	w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", 1), activityItem("wait", 2)}})
	receive(t, began)
	w.Cancel(engine.Token{Task: 2})
	w.Cancel(engine.Token{Task: 1})
	given := []int32{receive(t, d.abandoned).Task, receive(t, d.abandoned).Task}
	if slices.Sort(given); !slices.Equal(given, []int32{1, 2}) {
		t.Errorf("%v were given back", given)
	}
	if len(began) != 0 {
		t.Error("the cancelled activity was begun")
	}
	if len(d.activities) != 0 {
		t.Errorf("to be cancelled is the outcome of an activity: %+v", receive(t, d.activities))
	}
}

func TestActivityThatEndsInSpiteOfItsCancellationHasAResult(t *testing.T) {
	began := make(chan struct{})
	w, d := serve(t, nil, activity("wait", func(ctx context.Context, _ []byte) ([]byte, *model.Failure) {
		close(began)
		<-ctx.Done()
		return []byte("done"), nil
	}))
	w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", 1)}})
	receive(t, began)
	w.Cancel(engine.Token{Task: 1})
	if r := receive(t, d.activities); string(r.Result) != "done" {
		t.Errorf("%+v", r)
	}
}

func TestCloseCancelsActivitiesAndDropsTheirResults(t *testing.T) {
	began := make(chan struct{})
	w, d := serve(t, nil, activity("wait", func(ctx context.Context, _ []byte) ([]byte, *model.Failure) {
		close(began)
		<-ctx.Done()
		return nil, &model.Failure{Message: "cut short"}
	}))
	w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", 1)}})
	receive(t, began)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	if !d.closed || len(d.activities) != 0 {
		t.Errorf("closed %v, %d results", d.closed, len(d.activities))
	}
	w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", 2)}})
}

// An attempt that only waits is given back when the worker closes, whichever comes first.
// One that comes to its end all the same has its result.
func TestCloseGivesBackActivitiesThatOnlyWait(t *testing.T) {
	for name, outcome := range map[string]*model.Failure{"gave up": {Message: "given up"}, "ended": nil} {
		for _, early := range []bool{true, false} {
			began, closes := make(chan struct{}), make(chan struct{})
			w, d := serve(t, nil, activity("wait", func(ctx context.Context, _ []byte) ([]byte, *model.Failure) {
				a := ActivityOf(ctx)
				if early {
					a.OnlyWaits()
				}
				close(began)
				if !early {
					<-closes
					a.OnlyWaits()
				}
				<-ctx.Done()
				return []byte("done"), outcome
			}))
			w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", 1)}})
			receive(t, began)
			closed := make(chan error, 1)
			go func() { closed <- w.Close(t.Context()) }()
			close(closes)
			if err := receive(t, closed); err != nil {
				t.Errorf("%s, early %v: close: %v", name, early, err)
			}
			if back, results := len(d.abandoned), len(d.activities); outcome == nil && results != 1 || outcome != nil && (back != 1 || results != 0) {
				t.Errorf("%s, early %v: %d given back, %d results", name, early, back, results)
			}
		}
	}
}

// Half of a worker's places may be taken by attempts that only wait, and are free again
// when those end. What has none is given back with the delay that it names.
func TestHalfOfTheActivitiesMayOnlyWait(t *testing.T) {
	said, release := make(chan bool), make(chan struct{})
	w, d := serve(t, func(o *Options) { o.Activities = 4 }, activity("wait", func(ctx context.Context, _ []byte) ([]byte, *model.Failure) {
		a := ActivityOf(ctx)
		may := a.OnlyWaits()
		if a.OnlyWaits() != may {
			t.Error("what was said once is not said again")
		}
		said <- may
		if !may {
			return nil, &model.Failure{Message: a.GiveBack(time.Minute).Error()}
		}
		<-release
		return nil, nil
	}))
	n := 0
	begin := func() bool {
		n++
		w.Offer(engine.Items{Activities: []*engine.ActivityItem{activityItem("wait", n)}})
		return receive(t, said)
	}
	for range 3 {
		if first, second := begin(), begin(); !first || !second {
			t.Fatal("there is no place")
		}
		if begin() {
			t.Fatal("three of four may wait")
		}
		if given := receive(t, d.abandoned); given.Task != int32(n) {
			t.Errorf("%d was given back, not %d", given.Task, n)
		}
		if delay := receive(t, d.delays); delay != time.Minute {
			t.Errorf("given back for %v", delay)
		}
		for range 2 {
			release <- struct{}{}
			receive(t, d.activities)
		}
	}
}

func TestUnservedWorkIsGivenBack(t *testing.T) {
	w, d := serve(t, nil)
	w.Offer(engine.Items{
		Orchestrations: []*engine.OrchestrationItem{{Instance: "i", Name: "no", Token: engine.Token{Instance: 1}}},
		Activities:     []*engine.ActivityItem{{Name: "no", Token: engine.Token{Instance: 2}}},
		Entities:       []*engine.EntityItem{{Instance: "@no@k", Token: engine.Token{Instance: 3}}},
	})
	seen := uint64(0)
	for range 3 {
		seen += receive(t, d.abandoned).Instance
	}
	if seen != 6 {
		t.Errorf("given back: %d", seen)
	}
}

// program is a replay.Program for tests.
type program func(x *replay.Execution, input []byte) replay.Outcome

func (p program) Run(x *replay.Execution, input []byte) replay.Outcome { return p(x, input) }

func orchestration(name string, p program) Handler {
	return coded{Kind: engine.OrchestrationKind, Name: name, Orchestration: p}
}

func stepItem(instance string, n, last uint64, events ...model.Event) *engine.OrchestrationItem {
	item := &engine.OrchestrationItem{Instance: instance, Name: "o", NewEvents: events, Now: model.Time(n)}
	item.Token.Name = engine.Name{Epoch: 1, Number: n}
	if last > 0 {
		item.Last = engine.Name{Epoch: 1, Number: last}
	}
	return item
}

func TestLiveCopyIsUsedOnlyAfterExactlyItsLastStep(t *testing.T) {
	var begun atomic.Int64
	w, d := serve(t, nil, orchestration("o", func(x *replay.Execution, _ []byte) replay.Outcome {
		begun.Add(1)
		for {
			op := &replay.Op{}
			op.Init(x, "e")
			x.Expect(op, "e")
			if !op.Wait() {
				return replay.Outcome{}
			}
		}
	}))
	start := model.Event{Kind: model.ExecutionStarted, Name: "o"}
	event := model.Event{Kind: model.EventRaised, Name: "e"}
	step := func(item *engine.OrchestrationItem, wantBegun int64) {
		t.Helper()
		w.Offer(engine.Items{Orchestrations: []*engine.OrchestrationItem{item}})
		receive(t, d.orchestrations)
		if n := begun.Load(); n != wantBegun {
			t.Errorf("begun %d times, expected %d", n, wantBegun)
		}
	}
	step(stepItem("i", 1, 0, start), 1)
	step(stepItem("i", 2, 1, event), 1)
	d.past["i"] = []model.Event{{Kind: model.OrchestratorStarted}, start}
	again := stepItem("i", 3, 1, event) // step 2 was lost
	again.PastEvents = 2
	step(again, 2)
	step(stepItem("i", 4, 3, event), 2)
	w.LimitCache(0)
	if n, _, bytes := w.Live(); n != 0 || bytes != 0 {
		t.Errorf("%d live copies of %d bytes", n, bytes)
	}
	item := stepItem("i", 5, 4, event)
	item.PastEvents = 2
	step(item, 3)
}

func TestSlowStepIsReportedAndHoldsUpNobody(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	computing, release := make(chan struct{}), make(chan struct{})
	reported := make(chan struct{})
	clock := mem.NewClock(time.Unix(0, 0)) // or it may be slow to begin as well
	logger := newLogger(func(line string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(line)
		if strings.Contains(line, "computes for long") {
			close(reported)
		}
	})
	w, d := serve(t, func(o *Options) { o.Steps, o.SlowStep, o.Clock, o.Logger = 1, time.Second, clock, logger },
		orchestration("o", func(_ *replay.Execution, input []byte) replay.Outcome {
			if string(input) == "slow" {
				computeForLong(computing, release)
			}
			return replay.Outcome{}
		}))
	w.Offer(engine.Items{Orchestrations: []*engine.OrchestrationItem{
		stepItem("slow", 1, 0, model.Event{Kind: model.ExecutionStarted, Name: "o", Payload: []byte("slow")}),
		stepItem("fast", 2, 0, model.Event{Kind: model.ExecutionStarted, Name: "o"}),
	}})
	receive(t, computing)
	for range slowTicks { // no more, for then the other step begins
		clock.Advance(time.Second / (slowTicks - 1))
	}
	if r := receive(t, d.orchestrations); r.Token.Name.Number != 2 {
		t.Errorf("first is %v", r.Token)
	}
	receive(t, reported)
	mu.Lock()
	if s := log.String(); !strings.Contains(s, "computeForLong") || !strings.Contains(s, "slow") {
		t.Errorf("log %s", s)
	}
	mu.Unlock()
	close(release)
	if r := receive(t, d.orchestrations); r.Token.Name.Number != 1 {
		t.Errorf("second is %v", r.Token)
	}
}

//go:noinline
func computeForLong(computing, release chan struct{}) {
	close(computing)
	<-release
}
