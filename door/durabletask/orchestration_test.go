package durabletask_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// The history that an SDK's own test expects, event by event.
func TestTheHistoryIsThatOfTheScheduler(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text(`"in"`) })
	w.answer(w.step("x"), schedule(0, "Hello", `"in"`))
	w.did(w.task("Hello"), `"hello"`)
	w.answer(w.step("x"), timerAt(1, timestamppb.New(r.clock.Wall().Add(time.Hour))))
	r.pass(59*time.Minute, "x")
	w.nothing()
	r.clock.Advance(time.Minute)
	w.answer(w.step("x"), child(2, "c", "Child"))
	w.answer(w.step("c"), end(0, `"child"`))
	w.answer(w.step("x"), end(3, `"out"`))
	r.ended("x", completed)
	events, _, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"OrchestratorStarted", "ExecutionStarted", "TaskScheduled", "OrchestratorStarted", "TaskCompleted", "TimerCreated", "OrchestratorStarted",
		"TimerFired", "SubOrchestrationInstanceCreated", "OrchestratorStarted", "SubOrchestrationInstanceCompleted", "ExecutionCompleted"}
	if !slices.Equal(kinds(events), want) {
		t.Errorf("history %v", kinds(events))
	}
	last := int32(-1)
	for i, e := range events {
		if e.Timestamp == nil {
			t.Errorf("event %d has no time", i)
		}
		if e.EventId >= 0 && e.EventId <= last {
			t.Errorf("event %d has ID %d after %d", i, e.EventId, last)
		}
		last = max(last, e.EventId)
	}
	started := events[1].GetExecutionStarted()
	if id := started.GetOrchestrationInstance(); id.GetInstanceId() != "x" || len(id.GetExecutionId().GetValue()) != 32 || started.GetInput().GetValue() != `"in"` {
		t.Errorf("%v", started)
	}
	if f := events[7].GetTimerFired(); f.GetTimerId() != 1 || !proto.Equal(f.GetFireAt(), events[5].GetTimerCreated().GetFireAt()) {
		t.Errorf("%v", f)
	}
	if parent := r.history1("c").GetExecutionStarted().GetParentInstance(); parent.GetTaskScheduledId() != 2 || parent.GetName().GetValue() != "Tour" ||
		parent.GetOrchestrationInstance().GetInstanceId() != "x" || parent.GetOrchestrationInstance().GetExecutionId().GetValue() == "" {
		t.Errorf("%v", parent)
	}
}

// history1 is the second event of a history: how it started.
func (r *rig) history1(id string) *wire.HistoryEvent {
	r.t.Helper()
	events, _, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: id})
	if err != nil || len(events) < 2 {
		r.t.Fatalf("%d events, %v", len(events), err)
	}
	return events[1]
}

func TestTagsVersionsAndTracesAreHandedOn(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	trace := func(s string) *wire.TraceContext {
		return &wire.TraceContext{TraceParent: "00-0af7651916cd43dd8448eb211c80319c-" + s + "-01", SpanID: s, TraceState: text("a=b")}
	}
	own, task, sub := trace("0000000000000001"), trace("0000000000000002"), trace("0000000000000003")
	r.start("x", "Tour", func(q *wire.CreateInstanceRequest) {
		q.Version, q.Tags, q.ParentTraceContext = text("1.2"), map[string]string{"team": "a", "cost": "1"}, own
	})
	step := w.step("x").GetOrchestratorRequest()
	started := step.GetNewEvents()[1].GetExecutionStarted()
	if started.GetVersion().GetValue() != "1.2" || !proto.Equal(started.GetParentTraceContext(), own) || started.GetTags()["team"] != "a" {
		t.Errorf("%v", started)
	}
	w.r.must(w.r.CompleteOrchestratorTask(r.ctx, &wire.OrchestratorResponse{InstanceId: "x", Actions: []*wire.OrchestratorAction{
		scheduleTask(0, &wire.ScheduleTaskAction{Name: "Hello", Version: text("7"), Tags: map[string]string{"k": "v"}, ParentTraceContext: task}),
		childOf(1, &wire.CreateSubOrchestrationAction{Name: "Child", Version: text("8"), Tags: map[string]string{"cost": "2"}, ParentTraceContext: sub}),
	}}))
	var a *wire.ActivityRequest
	var c *wire.ExecutionStartedEvent
	var child, work *wire.WorkItem // answered only when both are there: an answer makes another step
	for range 2 {
		i := w.next()
		if q := i.GetOrchestratorRequest(); q != nil {
			child, c = i, q.GetNewEvents()[1].GetExecutionStarted()
			continue
		}
		work, a = i, i.GetActivityRequest()
	}
	w.answer(child, end(0, ""))
	w.did(work, "")
	if a.GetVersion().GetValue() != "7" || a.GetTags()["k"] != "v" || !proto.Equal(a.GetParentTraceContext(), task) {
		t.Errorf("%v", a)
	}
	if c.GetVersion().GetValue() != "8" || c.GetTags()["cost"] != "2" || c.GetTags()["team"] != "a" || !proto.Equal(c.GetParentTraceContext(), sub) {
		t.Errorf("%v", c)
	}
	if len(c.GetOrchestrationInstance().GetInstanceId()) != 32 {
		t.Errorf("the child is %q", c.GetOrchestrationInstance().GetInstanceId())
	}
	r.finish(w, "x", 2, 2)
	s := r.ended("x", completed)
	if s.GetVersion().GetValue() != "1.2" || s.GetTags()["team"] != "a" || s.GetCompletedTimestamp() == nil || s.GetExecutionId().GetValue() != step.GetExecutionId().GetValue() {
		t.Errorf("%v", s)
	}
	if s := r.state(c.GetOrchestrationInstance().GetInstanceId()); s.GetParentInstanceId().GetValue() != "x" {
		t.Errorf("%v", s)
	}
}

func (r *rig) must(_ any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// finish answers steps until so many answers have been told, and then ends.
func (r *rig) finish(w *worker, id string, id32 int32, answers int) {
	r.t.Helper()
	for {
		step := w.step(id)
		for _, e := range step.GetOrchestratorRequest().GetNewEvents() {
			switch e.GetEventType().(type) {
			case *wire.HistoryEvent_TaskCompleted, *wire.HistoryEvent_SubOrchestrationInstanceCompleted, *wire.HistoryEvent_SubOrchestrationInstanceFailed, *wire.HistoryEvent_TaskFailed:
				answers--
			}
		}
		if answers <= 0 {
			w.answer(step, end(id32, ""))
			return
		}
		w.answer(step)
	}
}

// What a worker says about its span comes back with each later step of the
// execution, also from another worker's stream, and is in no history.
func TestTheSpanOfAnOrchestrationIsHandedBack(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	if step.GetOrchestratorRequest().GetOrchestrationTraceContext() != nil {
		t.Error("there is a span before there can be one")
	}
	span := &wire.OrchestrationTraceContext{SpanID: text("00f067aa0ba902b7"), SpanStartTime: timestamppb.New(time.Unix(5, 600))}
	q := r.response(step, schedule(0, "A", ""))
	q.OrchestrationTraceContext = span
	r.must(r.CompleteOrchestratorTask(r.ctx, q))
	for i := int32(1); i < 4; i++ {
		w.did(w.task("A"), "")
		step := w.step("x")
		if got := step.GetOrchestratorRequest().GetOrchestrationTraceContext(); !proto.Equal(got, span) {
			t.Fatalf("step %d has span %v, want %v", i, got, span)
		}
		w.end()
		w = r.work(everything())
		step = w.step("x")
		q := r.response(step, schedule(i, "A", ""))
		q.OrchestrationTraceContext = span
		r.must(r.CompleteOrchestratorTask(r.ctx, q))
	}
	events, _, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"OrchestratorStarted", "ExecutionStarted", "TaskScheduled"}
	for range 3 {
		want = append(want, "OrchestratorStarted", "TaskCompleted", "TaskScheduled")
	}
	if !slices.Equal(kinds(events), want) {
		t.Errorf("history %v", kinds(events))
	}
	notes := 0
	all, _ := r.hub.Engine().History(r.ctx, "x")
	for i := range all {
		if all[i].Kind.String() == "MarkerRecorded" {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("the span is noted %d times", notes)
	}
}

func TestFailuresSurviveWithTheirCausesAndProperties(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	value, err := structpb.NewValue(map[string]any{"code": 7.0, "list": []any{"a", true, nil}})
	if err != nil {
		t.Fatal(err)
	}
	f := &wire.TaskFailureDetails{
		ErrorType: "System.Exception", ErrorMessage: "outer", StackTrace: text("at A\nat B"), IsNonRetriable: true,
		Properties: map[string]*structpb.Value{"detail": value},
		InnerFailure: &wire.TaskFailureDetails{ErrorType: "Inner", ErrorMessage: "middle", InnerFailure: &wire.TaskFailureDetails{
			ErrorType: "Innermost", ErrorMessage: "root", StackTrace: text("at C"),
		}},
	}
	r.start("p", "Parent")
	w.answer(w.step("p"), child(0, "x", "Tour"))
	w.answer(w.step("x"), schedule(0, "Hello", ""))
	a := w.task("Hello")
	q := r.result(a, "") // SDKs send an empty result beside the failure
	q.FailureDetails = f
	r.must(r.CompleteActivityTask(r.ctx, q))
	step := w.step("x")
	told := step.GetOrchestratorRequest().GetNewEvents()[1].GetTaskFailed()
	if told.GetTaskScheduledId() != 0 || !proto.Equal(told.GetFailureDetails(), f) {
		t.Errorf("told %v", told)
	}
	w.answer(step, failing(1, f))
	if got := r.ended("x", failed).GetFailureDetails(); !proto.Equal(got, f) {
		t.Errorf("state %v", got)
	}
	step = w.step("p")
	if got := step.GetOrchestratorRequest().GetNewEvents()[1].GetSubOrchestrationInstanceFailed(); !proto.Equal(got.GetFailureDetails(), f) {
		t.Errorf("parent was told %v", got)
	}
	w.answer(step, end(1, ""))
	without := must(r.GetInstance(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"}))(t).GetOrchestrationState()
	if without.GetFailureDetails() != nil || without.GetCreatedTimestamp() == nil || without.GetLastUpdatedTimestamp() == nil {
		t.Errorf("without payloads %v", without)
	}
}

func TestContinueAsNewBeginsAnotherExecution(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Loop", func(q *wire.CreateInstanceRequest) {
		q.Input, q.Version, q.Tags = text("1"), text("1"), map[string]string{"k": "v"}
	})
	step := w.step("x")
	old := step.GetOrchestratorRequest().GetExecutionId().GetValue()
	created := r.state("x").GetCreatedTimestamp()
	w.answer(step, schedule(0, "Slow", "")) // its answer is for an execution that is over
	slow := w.task("Slow")
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x", Name: "go", Input: text("1")}))
	step = w.step("x")
	q := r.response(step, signal(1, "@counter@1", "add", "1"), ending(2, &wire.CompleteOrchestrationAction{
		OrchestrationStatus: again, Result: text("2"), NewVersion: text("2"),
		CarryoverEvents: []*wire.HistoryEvent{{EventId: -1, Timestamp: timestamppb.Now(), EventType: &wire.HistoryEvent_EventRaised{EventRaised: &wire.EventRaisedEvent{Name: "kept", Input: text(`"k"`)}}}},
	}))
	q.CustomStatus = text("gen1")
	r.must(r.CompleteOrchestratorTask(r.ctx, q))
	r.did(slow) // it is not refused for being late, or it is: in neither case does it matter
	for seen := 0; seen < 2; {
		i := w.next()
		if b := i.GetEntityRequestV2(); b != nil {
			w.applied(i, "1", "")
			seen++
			continue
		}
		n := i.GetOrchestratorRequest()
		if want := []string{"OrchestratorStarted", "ExecutionStarted", "EventRaised"}; !slices.Equal(kinds(n.GetNewEvents()), want) || len(n.GetPastEvents()) != 0 {
			t.Errorf("told %v after %d", kinds(n.GetNewEvents()), len(n.GetPastEvents()))
		}
		s := n.GetNewEvents()[1].GetExecutionStarted()
		if s.GetInput().GetValue() != "2" || s.GetVersion().GetValue() != "2" || s.GetTags()["k"] != "v" || n.GetExecutionId().GetValue() == old || len(n.GetExecutionId().GetValue()) != 32 {
			t.Errorf("%v in execution %v", s, n.GetExecutionId())
		}
		if got := r.state("x").GetCustomStatus().GetValue(); got != "gen1" {
			t.Errorf("custom status %q", got)
		}
		w.answer(i, end(0, "done"))
		seen++
	}
	s := r.ended("x", completed)
	if s.GetOutput().GetValue() != "done" || s.GetVersion().GetValue() != "2" || !proto.Equal(s.GetCreatedTimestamp(), created) || s.GetCustomStatus() != nil {
		t.Errorf("%v", s)
	}
}

// did completes an activity whose outcome may come too late.
func (r *rig) did(i *wire.WorkItem) {
	_, _ = r.CompleteActivityTask(r.ctx, r.result(i, "late"))
}

// An activity that outlives its execution gives its place back, although the next
// execution has an activity of the same number.
func TestAnActivityOfAnExecutionThatIsOverDoesNotKeepItsSlot(t *testing.T) {
	r := open(t)
	w := r.work(&wire.GetWorkItemsRequest{MaxConcurrentActivityWorkItems: 2})
	r.start("x", "Loop")
	w.answer(w.step("x"), schedule(0, "A", ""))
	stale := w.task("A")
	for range 5 {
		r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x", Name: "go"}))
		w.answer(w.step("x"), ending(1, &wire.CompleteOrchestrationAction{OrchestrationStatus: again}))
		w.answer(w.step("x"), schedule(0, "A", ""))
		fresh := w.task("A")
		r.did(stale)
		stale = fresh
	}
}

func TestSuspendResumeAndTerminate(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"))
	r.must(r.SuspendInstance(r.ctx, &wire.SuspendRequest{InstanceId: "x", Reason: text("break")}))
	if s := r.state("x").GetOrchestrationStatus(); s != suspended {
		t.Errorf("it is %s", s)
	}
	step := w.step("x")
	if e := step.GetOrchestratorRequest().GetNewEvents()[1].GetExecutionSuspended(); e.GetInput().GetValue() != "break" {
		t.Errorf("told %v", step)
	}
	w.answer(step)
	r.must(r.SuspendInstance(r.ctx, &wire.SuspendRequest{InstanceId: "x"})) // again: nothing
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x", Name: "Go", Input: text("1")}))
	r.must(r.ResumeInstance(r.ctx, &wire.ResumeRequest{InstanceId: "x", Reason: text("go on")}))
	var told []string
	for len(told) < 2 {
		step := w.step("x")
		told = append(told, kinds(step.GetOrchestratorRequest().GetNewEvents())[1:]...)
		w.answer(step)
	}
	if !slices.Equal(told, []string{"EventRaised", "ExecutionResumed"}) {
		t.Errorf("told %v", told)
	}
	r.must(r.SuspendInstance(r.ctx, &wire.SuspendRequest{InstanceId: "x"}))
	r.must(r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: "x", Output: text(`"stop"`)}))
	if s := r.ended("x", terminated); s.GetOutput().GetValue() != `"stop"` {
		t.Errorf("%v", s)
	}
	// What has ended takes all of it without effect, what there is not takes none.
	r.must(r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: "x"}))
	r.must(r.SuspendInstance(r.ctx, &wire.SuspendRequest{InstanceId: "x"}))
	r.must(r.ResumeInstance(r.ctx, &wire.ResumeRequest{InstanceId: "x"}))
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x", Name: "late"}))
	for _, f := range []func() error{
		func() error {
			_, err := r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: "none"})
			return err
		},
		func() error { _, err := r.SuspendInstance(r.ctx, &wire.SuspendRequest{InstanceId: "none"}); return err },
		func() error { _, err := r.ResumeInstance(r.ctx, &wire.ResumeRequest{InstanceId: "none"}); return err },
		func() error {
			_, err := r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "none", Name: "n"})
			return err
		},
		func() error {
			_, err := r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "none"})
			return err
		},
		func() error {
			_, err := r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "none"})
			return err
		},
	} {
		wantCode(t, codes.NotFound, f())
	}
	// Without any worker, too.
	w.end()
	r.start("y", "Unserved")
	r.must(r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: "y", Output: text("o")}))
	r.ended("y", terminated)
}

func TestTerminationSpreadsIfItIsAskedFor(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), child(0, "c", "Child"))
	w.answer(w.step("c"), child(0, "g", "Child"))
	w.answer(w.step("g"))
	r.start("other", "Tour")
	w.answer(w.step("other"), terminateOther("x", "by another"))
	for _, id := range []string{"x", "c", "g"} {
		r.ended(id, terminated)
	}
	if got := r.state("x").GetOutput().GetValue(); got != "by another" {
		t.Errorf("output %q", got)
	}
}

func TestEventsOfOrchestrationsArriveAsRaised(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"))
	r.start("y", "Tour")
	w.answer(w.step("y"), send(0, "x", "Hi", `{"a":1}`), send(1, "none", "Hi", ""))
	step := w.step("x")
	if e := step.GetOrchestratorRequest().GetNewEvents()[1].GetEventRaised(); e.GetName() != "Hi" || e.GetInput().GetValue() != `{"a":1}` {
		t.Errorf("told %v", step)
	}
}
