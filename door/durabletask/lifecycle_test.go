package durabletask_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestRewindTakesTheHistoryOfTheWorker(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Good", ""), schedule(1, "Bad", ""))
	for range 2 {
		i := w.next()
		if i.GetActivityRequest().GetName() == "Good" {
			w.did(i, "fine")
			continue
		}
		q := r.result(i, "")
		q.FailureDetails = &wire.TaskFailureDetails{ErrorType: "E", ErrorMessage: "bad"}
		r.must(r.CompleteActivityTask(r.ctx, q))
	}
	_, err := r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "x"})
	wantCode(t, codes.FailedPrecondition, err)
	for told := 0; ; {
		step := w.step("x")
		if told += len(step.GetOrchestratorRequest().GetNewEvents()) - 1; told == 2 {
			w.answer(step, failing(2, &wire.TaskFailureDetails{ErrorMessage: "bad"}))
			break
		}
		w.answer(step)
	}
	r.ended("x", failed)
	r.must(r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "x", Reason: text("mended")}))
	step := w.step("x")
	q := step.GetOrchestratorRequest()
	if want := []string{"OrchestratorStarted", "ExecutionRewound"}; !slices.Equal(kinds(q.GetNewEvents()), want) || q.GetNewEvents()[1].GetExecutionRewound().GetReason().GetValue() != "mended" {
		t.Errorf("told %v", q.GetNewEvents())
	}
	var history []*wire.HistoryEvent
	for _, e := range append(slices.Clone(q.GetPastEvents()), q.GetNewEvents()...) {
		if e.GetTaskFailed() == nil && e.GetExecutionCompleted() == nil && (e.GetTaskScheduled() == nil || e.GetEventId() != 1) {
			history = append(history, e)
		}
	}
	history[1] = proto.CloneOf(history[1])
	const fresh = "00112233445566778899aabbccddeeff"
	history[1].GetExecutionStarted().GetOrchestrationInstance().ExecutionId = text(fresh)
	w.answer(step, rewindTo(history))
	step = w.step("x")
	q = step.GetOrchestratorRequest()
	if !slices.Equal(kinds(q.GetNewEvents()), []string{"OrchestratorStarted"}) || len(q.GetPastEvents()) != len(history) || q.GetExecutionId().GetValue() != fresh {
		t.Errorf("told %v after %v in %v", kinds(q.GetNewEvents()), kinds(q.GetPastEvents()), q.GetExecutionId())
	}
	w.answer(step, schedule(1, "Bad", "")) // its number is less than that of others, and free
	w.did(w.task("Bad"), "well")
	w.answer(w.step("x"), end(2, "done"))
	r.ended("x", completed)
}

func TestRestartRunsTheSameOnceMore(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour", func(q *wire.CreateInstanceRequest) {
		q.Input, q.Version, q.Tags = text("in"), text("3"), map[string]string{"k": "v"}
	})
	_, err := r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "x"})
	wantCode(t, codes.FailedPrecondition, err)
	other := must(r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "x", RestartWithNewInstanceId: true}))(t).GetInstanceId()
	if len(other) != 32 {
		t.Errorf("it is %q", other)
	}
	for range 2 {
		i := w.next()
		w.answer(i, end(0, ""))
	}
	r.ended("x", completed)
	if got := must(r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "x"}))(t).GetInstanceId(); got != "x" {
		t.Errorf("it is %q", got)
	}
	for _, id := range []string{"x", other} {
		s := r.state(id)
		if s.GetName() != "Tour" || s.GetInput().GetValue() != "in" || s.GetVersion().GetValue() != "3" || s.GetTags()["k"] != "v" {
			t.Errorf("%v", s)
		}
	}
	// Also what an entity started, and never an entity.
	r.must(r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "go"}))
	w.answer(w.step("x"), end(0, ""))
	b := w.batch("@e@1")
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{
		CompletionToken: b.GetCompletionToken(), EntityState: text("1"), Results: []*wire.OperationResult{succeeded("")},
		Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{InstanceId: "started", Name: "Tour"}}}},
	}))
	w.answer(w.step("started"), end(0, ""))
	r.ended("started", completed)
	r.must(r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "started"}))
	_, err = r.RestartInstance(r.ctx, &wire.RestartInstanceRequest{InstanceId: "@e@1", RestartWithNewInstanceId: true})
	wantCode(t, codes.InvalidArgument, err)
}

func TestReuseOfAnIDIsAsThePolicySays(t *testing.T) {
	r := open(t)
	policy := func(s ...wire.OrchestrationStatus) func(*wire.CreateInstanceRequest) {
		return func(q *wire.CreateInstanceRequest) {
			q.OrchestrationIdReusePolicy = &wire.OrchestrationIdReusePolicy{ReplaceableStatus: s}
		}
	}
	start := func(p func(*wire.CreateInstanceRequest)) error {
		q := &wire.CreateInstanceRequest{InstanceId: "x", Name: "Tour"}
		if p != nil {
			p(q)
		}
		_, err := r.StartInstance(r.ctx, q)
		return err
	}
	r.must(nil, start(nil))
	wantCode(t, codes.AlreadyExists, start(nil))
	wantCode(t, codes.AlreadyExists, start(policy(completed, terminated)))
	err := start(policy(pending, completed))
	wantCode(t, codes.InvalidArgument, err)
	if !strings.Contains(err.Error(), "Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of running instances") {
		t.Error(err)
	}
	wantCode(t, codes.InvalidArgument, start(policy(99)))
	first := r.state("x").GetExecutionId().GetValue()
	r.must(nil, start(policy(pending, terminated)))
	if r.state("x").GetExecutionId().GetValue() == first {
		t.Error("it is the same execution")
	}
	w := r.work(everything())
	w.answer(w.step("x"), end(0, ""))
	r.ended("x", completed)
	wantCode(t, codes.AlreadyExists, start(policy(failed)))
	wantCode(t, codes.AlreadyExists, start(policy())) // a policy that replaces nothing
	r.must(nil, start(nil))
}

func TestAScheduledStartWaitsForItsTime(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	at := r.clock.Wall().Add(time.Hour)
	r.start("x", "Tour", func(q *wire.CreateInstanceRequest) { q.ScheduledStartTimestamp = timestamppb.New(at) })
	r.start("past", "Tour", func(q *wire.CreateInstanceRequest) { q.ScheduledStartTimestamp = &timestamppb.Timestamp{} })
	w.answer(w.step("past"), end(0, ""))
	r.clock.Advance(59 * time.Minute)
	w.nothing()
	if s := r.state("x"); s.GetOrchestrationStatus() != pending || !s.GetScheduledStartTimestamp().AsTime().Equal(at) {
		t.Errorf("%v", s)
	}
	r.clock.Advance(time.Minute)
	step := w.step("x")
	if s := step.GetOrchestratorRequest().GetNewEvents()[1].GetExecutionStarted(); !s.GetScheduledStartTimestamp().AsTime().Equal(at) {
		t.Errorf("%v", s)
	}
	w.answer(step, timerAt(0, &timestamppb.Timestamp{}), timerAt(1, timestamppb.New(r.clock.Wall()))) // both are due
	r.pass(0, "x")
	for fired := 0; fired < 2; {
		step := w.step("x")
		for _, e := range step.GetOrchestratorRequest().GetNewEvents() {
			if f := e.GetTimerFired(); f != nil {
				if fired++; f.GetFireAt() == nil {
					t.Errorf("%v", f)
				}
			}
		}
		if fired == 2 {
			w.answer(step, end(2, ""))
		} else {
			w.answer(step)
		}
	}
	r.ended("x", completed)
}
