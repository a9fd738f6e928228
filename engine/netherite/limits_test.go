package netherite_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/mem"
)

// smallPayload is the payload limit of these tests.
const smallPayload = 32 << 10

// step starts an orchestration and answers its first step.
func step(t *testing.T, change func(*netherite.Options), events []model.Event, more func(*engine.OrchestrationResult)) (*netherite.Engine, *hoarder, engine.Connection) {
	t.Helper()
	e := openHub(t, newMemory(1), func(o *netherite.Options) {
		o.MaxPayload = smallPayload
		if change != nil {
			change(o)
		}
	})
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	t.Cleanup(c.Close)
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "X", Tags: map[string]string{"a": strings.Repeat("t", 5<<10)}}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	r := &engine.OrchestrationResult{Token: w.step(0).Token, Events: events}
	if more != nil {
		more(r)
	}
	if err := c.CompleteOrchestration(r); err != nil {
		t.Fatal(err)
	}
	return e, w, c
}

func TestWhatAStepAsksForIsBounded(t *testing.T) {
	long := strings.Repeat("n", 300)
	set := make([]string, partition.MaxLockSet+1)
	for i := range set {
		set[i] = fmt.Sprintf("@e@%d", i)
	}
	tags := func(n int) *model.Ext { return &model.Ext{Tags: map[string]string{"b": strings.Repeat("t", n)}} }
	terminate := func(n int) func(*engine.OrchestrationResult) {
		return func(r *engine.OrchestrationResult) {
			r.Terminate = []engine.TerminateRequest{{Instance: "y", Output: make([]byte, n)}}
		}
	}
	for name, tt := range map[string]struct {
		event model.Event
		more  func(*engine.OrchestrationResult)
		want  string // of the failure; "": it is taken
	}{
		"fine":           {event: model.Event{Kind: model.ChildCreated, Name: "Y", Ext: tags(3000)}, more: terminate(smallPayload)},
		"inherited tags": {event: model.Event{Kind: model.ChildCreated, Name: "Y", Ext: tags(4 << 10)}, want: "tags have"},
		"activity tags":  {event: model.Event{Kind: model.TaskScheduled, Name: "Y", Ext: tags(9 << 10)}, want: "tags have"},
		"name":           {event: model.Event{Kind: model.TaskScheduled, Name: long}, want: "300 bytes"},
		"nameless":       {event: model.Event{Kind: model.TaskScheduled}, want: "has no name"},
		"nameless child": {event: model.Event{Kind: model.ChildCreated}, want: "has no name"},
		"nameless event": {event: model.Event{Kind: model.EventSent, Instance: "y"}, want: "has no name"},
		"timeless":       {event: model.Event{Kind: model.TimerCreated}, want: "has no time"},
		"version":        {event: model.Event{Kind: model.TaskScheduled, Name: "Y", Version: long}, want: "300 bytes"},
		"lock set":       {event: model.Event{Kind: model.EntityLockRequested, Ext: &model.Ext{LockSet: set}}, want: "locks 1001 entities"},
		"termination":    {event: model.Event{Kind: model.TaskScheduled, Name: "Y"}, more: terminate(smallPayload + 1), want: "output of a termination"},
		"output":         {event: model.Event{Kind: model.ExecutionCompleted, Payload: make([]byte, smallPayload+1), Ext: &model.Ext{Status: model.Completed}}, want: "payload of ExecutionCompleted has 32769 bytes"},
		"input":          {event: model.Event{Kind: model.TaskScheduled, Name: "Y", Payload: make([]byte, smallPayload+1)}, want: "payload of TaskScheduled Y has 32769 bytes"},
		"new version": {event: model.Event{Kind: model.ExecutionCompleted, Ext: &model.Ext{Status: model.ContinuedAsNew, NewVersion: &long}},
			want: "new version has 300 bytes"},
		"rewound history": {more: func(r *engine.OrchestrationResult) {
			r.Rewound, r.Events = make([]model.Event, 600), nil
			for i := range r.Rewound {
				r.Rewound[i] = model.Event{Kind: model.EventRaised, Payload: make([]byte, smallPayload)}
			}
		}, want: "cannot be rewound"},
	} {
		t.Run(name, func(t *testing.T) {
			e, w, _ := step(t, nil, []model.Event{tt.event}, tt.more)
			if tt.want == "" {
				w.await(t, "the child", func() bool { return len(w.steps) == 2 })
				return
			}
			i, err := ended(t.Context(), e, "x")
			if err != nil || i.Failure == nil || !strings.Contains(i.Failure.Message, tt.want) {
				t.Errorf("%+v, %v", i.Failure, err)
			}
		})
	}
}

func TestFailuresAreCutToTheLimitAndSaySo(t *testing.T) {
	huge := func() *model.Failure {
		var f *model.Failure
		for range 100 {
			f = &model.Failure{Type: "link", Message: "m", Cause: f}
		}
		return &model.Failure{
			Type: "root", Message: strings.Repeat("é", smallPayload), Stack: strings.Repeat("s", smallPayload),
			Properties: map[string][]byte{"p": make([]byte, smallPayload)}, NonRetriable: true, Cause: f,
		}
	}
	check := func(t *testing.T, f *model.Failure) {
		t.Helper()
		if f == nil {
			t.Fatal("no failure")
		}
		size, depth := 0, 0
		for c := f; c != nil; c = c.Cause {
			size += len(c.Type) + len(c.Message) + len(c.Stack) + len(c.Properties["p"])
			depth++
		}
		if size > smallPayload+1024 || depth > 40 || f.Type != "root" || !f.NonRetriable {
			t.Errorf("%d bytes in %d links of type %s", size, depth, f.Type)
		}
		for _, want := range []string{"é... (truncated, 65536 bytes in all)", "(properties of 32769 bytes are left out)"} {
			if !strings.Contains(f.Message, want) {
				t.Errorf("%q is not in the message", want)
			}
		}
		if !strings.Contains(f.Stack, "(truncated, 32768 bytes in all)") {
			t.Error("the stack does not say that it is cut")
		}
	}
	t.Run("activity and orchestration", func(t *testing.T) {
		e, w, c := step(t, nil, []model.Event{{Kind: model.TaskScheduled, Name: "A"}}, nil)
		w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
		if err := c.CompleteActivity(&engine.ActivityResult{Token: w.task(0).Token, Failure: huge()}); err != nil {
			t.Fatal(err)
		}
		w.await(t, "the next step", func() bool { return len(w.steps) == 2 })
		check(t, w.step(1).NewEvents[0].Failure)
		if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(1).Token, Events: []model.Event{
			{Kind: model.ExecutionCompleted, ID: 1, Failure: huge(), Ext: &model.Ext{Status: model.Failed}},
		}}); err != nil {
			t.Fatal(err)
		}
		i, err := ended(t.Context(), e, "x")
		if err != nil {
			t.Fatal(err)
		}
		check(t, i.Failure)
	})
	t.Run("operation", func(t *testing.T) {
		_, w, c := step(t, nil, []model.Event{{Kind: model.EntityCalled, Instance: "@e@a", Name: "op", RequestID: "r"}}, nil)
		w.await(t, "the operation", func() bool { return len(w.entities) == 1 })
		if err := c.CompleteEntity(&engine.EntityResult{Token: w.entities[0].Token, Results: []engine.OperationResult{{Failure: huge()}}}); err != nil {
			t.Fatal(err)
		}
		w.await(t, "the answer", func() bool { return len(w.steps) == 2 })
		check(t, w.step(1).NewEvents[0].Failure)
	})
}

// A record that the log could not take is refused before anything has changed.
// Retried for ever, it would stop the whole hub.
func TestRecordBeyondTheLogsLimitIsRefused(t *testing.T) {
	e, w, c := step(t, func(o *netherite.Options) { o.MaxRecord(16 << 10) }, []model.Event{{Kind: model.TaskScheduled, Name: "A"}}, nil)
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "y", Name: "Y", Input: make([]byte, 20<<10)}); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("start: %v", err)
	}
	if _, err := e.Get(ctx, "y", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("the refused instance: %v", err)
	}
	w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
	if err := c.CompleteActivity(&engine.ActivityResult{Token: w.task(0).Token, Result: make([]byte, 20<<10)}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "z", Name: "Z"}); err != nil {
		t.Errorf("start of another: %v", err)
	}
	i, err := e.Get(ctx, "x", engine.GetOptions{Waits: true})
	if err != nil || i.Waits.Quarantine == nil || !strings.Contains(i.Waits.Quarantine.Message, "a record of") {
		t.Errorf("%+v, %v", i, err)
	}
	if s := e.Stats(); s.Failures != 0 || s.Parked != 0 {
		t.Errorf("the node failed %d times, %d partitions are parked", s.Failures, s.Parked)
	}
}

func TestTraceContextOfARequestIsBounded(t *testing.T) {
	e := openHub(t, newMemory(1))
	trace := &model.Trace{State: strings.Repeat("s", 9<<10)}
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "X", Trace: trace}); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("start: %v", err)
	}
	if err := e.Signal(t.Context(), engine.SignalRequest{Entity: "@e@a", Operation: "op", Trace: trace}); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("signal: %v", err)
	}
}

func TestStartRefusesWhatItCannotMean(t *testing.T) {
	e := openHub(t, newMemory(1), func(*netherite.Options) {})
	for what, r := range map[string]engine.StartRequest{
		"the reserved tag": {Instance: "x", Name: "X", Tags: map[string]string{model.FireAndForget: ""}},
		"an unknown reuse": {Instance: "x", Name: "X", IfExists: engine.ReplaceAny + 1},
	} {
		if _, err := e.Start(t.Context(), r); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// untilStep waits until x has ended, or the worker has its n-th step.
func untilStep(t *testing.T, e *netherite.Engine, w *hoarder, n int) *model.Instance {
	t.Helper()
	for {
		i, err := e.Get(t.Context(), "x", engine.GetOptions{Payloads: true})
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		given := len(w.steps) > n
		w.mu.Unlock()
		if given || i.Status.Ended() {
			return i
		}
	}
}

// The history of an orchestration that never continues as new ends with a failure
// that says what to do, and until then the log does.
func TestAHistoryIsBoundedInEventsAndInBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*netherite.Options)
		want   string
	}{
		"events": {func(o *netherite.Options) { o.MaxHistoryEvents = 30 }, "no more than 30 events"},
		"bytes":  {func(o *netherite.Options) { o.MaxHistoryBytes = 1_000 }, "and 1000 bytes are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			events := func(n int) []model.Event {
				return []model.Event{{Kind: model.TaskScheduled, ID: int32(n), Name: "A", Payload: make([]byte, 50)}}
			}
			e, w, c := step(t, tt.change, events(0), nil)
			steps := 1
			for {
				w.await(t, "the activity", func() bool { return len(w.tasks) == steps })
				if err := c.CompleteActivity(&engine.ActivityResult{Token: w.task(steps - 1).Token}); err != nil {
					t.Fatal(err)
				}
				i := untilStep(t, e, w, steps)
				if i.Status.Ended() {
					f := i.Failure
					if i.Status != model.Failed || f.Type != model.FailureHistoryTooLarge || !strings.Contains(f.Message, tt.want) || !strings.Contains(f.Message, "continue as new") {
						t.Errorf("%s: %+v", i.Status, f)
					}
					break
				}
				if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(steps).Token, Events: events(steps)}); err != nil {
					t.Fatal(err)
				}
				if steps++; steps > 30 {
					t.Fatal("it has not ended")
				}
			}
			if err := e.Rewind(t.Context(), "x", ""); err != nil { // fails again, and not without end
				t.Fatal(err)
			}
			if i, err := e.Wait(t.Context(), "x", engine.UntilEnded, engine.GetOptions{}); err != nil || i.Status != model.Failed {
				t.Errorf("%v, %v", i, err)
			}
		})
	}
}

func TestLargePayloadsAndLongHistoriesAreSaidInTheLogSeldomAndWithoutPayloads(t *testing.T) {
	var log lockedBuffer
	clock := mem.NewClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC))
	e := openHub(t, newMemory(1), func(o *netherite.Options) {
		o.Logger, o.Clock = slog.New(slog.NewTextHandler(&log, nil)), clock
	})
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	t.Cleanup(c.Close)
	secret := strings.Repeat("s", 512<<10)
	started := func(id string) {
		t.Helper()
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Big", Input: []byte(secret)}); err != nil {
			t.Fatal(err)
		}
	}
	started("x")
	started("y")
	if got := log.String(); strings.Count(got, "a payload is large") != 1 || !strings.Contains(got, "name=Big bytes=524288 limit=2097152") || strings.Contains(got, "sss") {
		t.Errorf("the log: %s", got)
	}
	clock.Advance(time.Minute)
	started("z")
	if got := log.String(); strings.Count(got, "a payload is large") != 2 || !strings.Contains(got, "not_logged=1") {
		t.Errorf("the log: %s", got)
	}
	w.await(t, "the first steps", func() bool { return len(w.steps) == 3 })
	item := w.step(0)
	for n := range 3 { // 2,000 events each
		r := &engine.OrchestrationResult{Token: item.Token, Now: item.Now, More: true}
		for i := range 2_000 {
			r.Events = append(r.Events, model.Event{Kind: model.TimerCreated, ID: int32(2_000*n + i), FireAt: model.TimeOf(clock.Wall().Add(time.Hour))})
		}
		if err := c.CompleteOrchestration(r); err != nil {
			t.Fatal(err)
		}
		w.await(t, "the next step", func() bool { return len(w.steps) == 4+n })
		item = w.step(3 + n)
	}
	if got := log.String(); strings.Count(got, "a history is long") != 1 || !strings.Contains(got, "instance="+item.Instance+" name=Big events=") {
		t.Errorf("the log: %s", got)
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
