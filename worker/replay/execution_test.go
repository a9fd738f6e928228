package replay

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// code is a program for tests.
type code func(x *Execution, input []byte) Outcome

func (c code) Run(x *Execution, input []byte) Outcome { return c(x, input) }

func task(x *Execution, name string) *Op {
	op := &Op{}
	op.Init(x, name)
	x.Ask(op, model.Event{Kind: model.TaskScheduled, Name: name})
	return op
}

func started() model.Event {
	return model.Event{Kind: model.ExecutionStarted, ID: model.NoID, Name: "test", Payload: []byte("in")}
}

func completed(id int32, result string) model.Event {
	return model.Event{Kind: model.TaskCompleted, ID: model.NoID, Ref: id, Payload: []byte(result)}
}

// host drives an execution and keeps its history, like an engine.
type host struct {
	t       testing.TB
	pool    *Pool
	config  Config
	x       *Execution
	history []model.Event
	now     model.Time
}

func newHost(t testing.TB, program code) *host {
	h := &host{t: t, pool: &Pool{}}
	h.config = Config{Program: program, Pool: h.pool, Instance: "i"}
	t.Cleanup(func() {
		h.evict()
		h.pool.Close()
	})
	return h
}

func (h *host) evict() {
	if h.x != nil {
		h.x.Unwind()
		h.x = nil
	}
}

// step delivers events and returns what the step came to.
func (h *host) step(events ...model.Event) *engine.OrchestrationResult {
	h.now++
	if h.x == nil {
		h.x = New(h.config)
		h.x.Replay(h.history, len(events) == 0)
	}
	h.x.Step(h.now, events)
	r := &engine.OrchestrationResult{}
	h.x.Result(r)
	h.history = append(h.history, model.Event{Kind: model.OrchestratorStarted, ID: model.NoID, Time: h.now})
	h.history = append(h.history, events...)
	h.history = append(h.history, r.Events...)
	return r
}

func last(r *engine.OrchestrationResult) *model.Event {
	if len(r.Events) == 0 {
		return &model.Event{}
	}
	return &r.Events[len(r.Events)-1]
}

func kinds(events []model.Event) string {
	var s []string
	for i := range events {
		s = append(s, fmt.Sprintf("%v#%d", events[i].Kind, events[i].ID))
	}
	return strings.Join(s, " ")
}

func TestSplitStepIsInvisibleEvenWithACrashInBetween(t *testing.T) {
	for _, crash := range []bool{false, true} {
		h := newHost(t, func(x *Execution, _ []byte) Outcome {
			var ops []*Op
			for i := range 5 {
				ops = append(ops, task(x, fmt.Sprint("t", i)))
			}
			n := 0
			for _, op := range ops {
				op.Wait()
				n += len(op.TakePayload())
			}
			return Outcome{Payload: fmt.Append(nil, n)}
		})
		h.config.MaxEvents = 2
		r := h.step(started())
		if !r.More || kinds(r.Events) != "TaskScheduled#0 TaskScheduled#1" {
			t.Fatalf("%v %s", r.More, kinds(r.Events))
		}
		for i := 0; r.More; i++ {
			if crash {
				h.evict()
			}
			var news []model.Event
			if i == 0 {
				news = append(news, completed(1, "b")) // comes while the step is split
			}
			r = h.step(news...)
		}
		for _, id := range []int32{4, 2, 0, 3} {
			if crash {
				h.evict()
			}
			r = h.step(completed(id, "xx"))
		}
		if ev := last(r); ev.Kind != model.ExecutionCompleted || string(ev.Payload) != "9" || ev.ID != 5 {
			t.Errorf("crash %v: %+v", crash, ev)
		}
	}
}

func TestUnmatchedTailNeedsAFullStep(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		a, b := task(x, "a"), task(x, "b")
		a.Wait()
		b.Wait()
		return Outcome{}
	})
	h.step(started())
	h.history = h.history[:len(h.history)-1] // as if the old code had asked for a only
	h.evict()
	r := h.step(completed(0, ""))
	if f := last(r).Failure; f == nil || f.Type != model.FailureNonDeterminism || !strings.Contains(f.Message, "history ends before") {
		t.Errorf("%+v", f)
	}
}

func TestCompletionOrderIsInboxOrder(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		ops := []*Op{task(x, "a"), task(x, "b"), task(x, "c")}
		q := NewQueue(x, ops)
		defer q.Close()
		s := ""
		for range ops {
			if op := q.Next(); op != nil {
				s += op.Name
			}
		}
		return Outcome{Payload: []byte(s)}
	})
	h.step(started())
	r := h.step(completed(2, ""), completed(0, ""), completed(1, ""))
	if got := string(last(r).Payload); got != "cab" {
		t.Errorf("order %q", got)
	}
}

func TestAnswersToNobodyAreTolerated(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		op := task(x, "a")
		op.Wait()
		return Outcome{Payload: op.Payload}
	})
	h.step(started())
	for _, ev := range []model.Event{
		completed(7, ""), completed(-1, ""), {Kind: model.TimerFired, Ref: 3},
		{Kind: model.EntityResponded, RequestID: "not mine"}, {Kind: model.EntityLockGranted, RequestID: strings.Repeat("z", 36)},
		{Kind: model.GenericEvent}, started(),
	} {
		if r := h.step(ev); len(r.Events) != 0 {
			t.Errorf("%v: %s", ev.Kind, kinds(r.Events))
		}
	}
	if r := h.step(completed(0, "x"), completed(0, "y")); string(last(r).Payload) != "x" {
		t.Errorf("%s", kinds(r.Events))
	}
}

func TestSuspendedExecutionWaitsForResume(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		op := task(x, "a")
		op.Wait()
		return Outcome{}
	})
	h.step(started())
	if r := h.step(model.Event{Kind: model.ExecutionSuspended}, completed(0, "x")); len(r.Events) != 0 {
		t.Errorf("went on: %s", kinds(r.Events))
	}
	h.evict()
	if r := h.step(model.Event{Kind: model.ExecutionResumed}); last(r).Kind != model.ExecutionCompleted {
		t.Errorf("did not go on: %s", kinds(r.Events))
	}
}

func TestLateEventsGoToTheNextExecution(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		op := &Op{}
		op.Init(x, "e")
		x.Expect(op, "Go")
		op.Wait()
		return Outcome{Payload: op.TakePayload(), Again: &Again{}}
	})
	raised := func(name, v string) model.Event {
		return model.Event{Kind: model.EventRaised, Name: name, Payload: []byte(v)}
	}
	h.step(started(), raised("other", "1"))
	r := h.step(raised("OTHER", "2"), raised("gO", "3"), raised("go", "4"), raised("other", "5"))
	var left string
	for _, ev := range last(r).Extra().CarryOver {
		left += string(ev.Payload)
	}
	if string(last(r).Payload) != "3" || left != "1245" || last(r).Extra().Status != model.ContinuedAsNew {
		t.Errorf("input %q, carried %q", last(r).Payload, left)
	}
}

func TestUnwindingRunsDefersWithoutEffect(t *testing.T) {
	var log []string
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		defer func() { log = append(log, fmt.Sprint("outer ", recover())) }()
		defer func() {
			log = append(log, fmt.Sprint(x.Unwinding(), x.Act(model.Event{Kind: model.EventSent}), task(x, "z").Wait()))
			panic("ignored")
		}()
		x.Go(func() {
			defer func() { log = append(log, "branch") }()
			task(x, "b").Wait()
		})
		task(x, "a").Wait()
		return Outcome{}
	})
	h.step(started())
	x := h.x
	h.evict()
	if got := strings.Join(log, "|"); got != "branch|true false false|outer ignored" {
		t.Errorf("log %q", got)
	}
	if len(x.out) != 0 || len(x.coroutines) != 0 {
		t.Errorf("left %v %v", x.out, x.coroutines)
	}
}

func TestGoexitIsReportedToWhoeverDrives(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		task(x, "a").Wait()
		runtime.Goexit()
		return Outcome{}
	})
	h.step(started())
	done := make(chan bool)
	go func() {
		defer close(done)
		h.step(completed(0, ""))
		done <- true // not reached
	}()
	if <-done {
		t.Fatal("step returned")
	}
	r := &engine.OrchestrationResult{}
	if !h.x.Exited() {
		t.Fatal("not reported")
	}
	h.x.Result(r)
	if f := last(r).Failure; f == nil || f.Type != model.FailurePanic {
		t.Errorf("%+v", last(r))
	}
	if New(h.config).Exited() {
		t.Error("reported without reason")
	}
}

func TestPoolReusesCoroutines(t *testing.T) {
	h := newHost(t, func(*Execution, []byte) Outcome { return Outcome{} })
	for range 10 {
		h.x, h.history = nil, nil
		h.step(started())
	}
	if n := len(h.pool.idle); n != 1 {
		t.Errorf("%d coroutines for one at a time", n)
	}
}

func TestRequestIDsFindTheirAction(t *testing.T) {
	execution := model.ExecutionID{0: 0xab, 11: 0xcd, 15: 1}
	id := SectionID(execution, 0x7fffffff)
	if id != "ab000000-0000-0000-0000-00cd7fffffff" || actionOf(id) != 0x7fffffff || actionOf(RequestID(12)) != 12 {
		t.Errorf("%s %d", id, actionOf(id))
	}
	if actionOf("x") != model.NoID || actionOf("") != model.NoID {
		t.Error("accepts what is none")
	}
}

func TestMarkersAreFoundPastOthersThatAreGone(t *testing.T) {
	marks := []string{"a", "b"}
	var passed []bool
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		passed = nil
		for _, m := range marks {
			passed = append(passed, x.Marked(m))
		}
		task(x, "t").Wait()
		return Outcome{}
	})
	h.step(started())
	for _, tt := range []struct {
		marks []string
		want  string
	}{{[]string{"a", "b"}, "[true true]"}, {[]string{"b"}, "[true]"}, {[]string{"a"}, "[true]"}, {nil, "[]"}, {[]string{"new", "b"}, "[false true]"}, {[]string{"b", "a"}, "[true false]"}} {
		h.evict()
		marks = tt.marks
		h.x = New(h.config)
		h.x.Replay(h.history, false)
		if fmt.Sprint(passed) != tt.want || h.x.diverged != nil {
			t.Errorf("%q: %v %v", tt.marks, passed, h.x.diverged)
		}
	}
}

func TestCostCountsTheInputThatTheCodeKeeps(t *testing.T) {
	h := newHost(t, func(x *Execution, input []byte) Outcome {
		task(x, "Wait").Wait()
		return Outcome{Payload: input}
	})
	ev := started()
	ev.Payload = make([]byte, 100<<10)
	h.step(ev)
	if cost := h.x.Cost(); cost < 100<<10 {
		t.Errorf("an execution with an input of %d bytes costs %d", len(ev.Payload), cost)
	}
}
