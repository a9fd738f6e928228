package durabletask_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func raised(name string) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventType: &wire.HistoryEvent_EventRaised{EventRaised: &wire.EventRaisedEvent{Name: name}}}
}

func begun(instance string) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventType: &wire.HistoryEvent_ExecutionStarted{ExecutionStarted: &wire.ExecutionStartedEvent{
		Name: "Tour", OrchestrationInstance: &wire.OrchestrationInstance{InstanceId: instance},
	}}}
}

// wrongAnswers are steps that break a rule, each with what its failure names.
func wrongAnswers() map[string][]*wire.OrchestratorAction {
	now := timestamppb.Now()
	unknown := &wire.OrchestratorAction{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 77, protowire.BytesType), []byte("later")))
	return map[string][]*wire.OrchestratorAction{
		"type that this server does not know":       {{Id: 0}},
		"action of a type that this server":         {unknown},
		"another action 0":                          {schedule(0, "A", ""), timerAt(0, now)},
		"another action 1":                          {schedule(1, "A", ""), schedule(0, "A", ""), child(1, "", "C")},
		"whose ID is not in":                        {schedule(-1, "A", "")},
		"ID is not in 0":                            {timerAt(math.MaxInt32, now)},
		"not in 0 to":                               {child(math.MinInt32, "", "C")},
		"which has no name":                         {schedule(0, "", "")},
		"has no name":                               {child(0, "c", "")},
		"no name":                                   {send(0, "y", "", "")},
		"which has no time":                         {timerAt(0, nil)},
		"is an entity":                              {child(0, "@e@1", "C")},
		"invalid instance ID":                       {child(0, "a/b", "C")},
		"at most 256":                               {child(0, strings.Repeat("c", 300), "C")},
		"is not an entity":                          {signal(0, "x", "op", "")},
		"not an entity":                             {call(0, "", "op", "")},
		"cannot be that entity":                     {call(0, "@e@a/b", "op", "")},
		"message to an entity of a type":            {message(0, &wire.SendEntityMessageAction{})},
		"no way to end":                             {ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: suspended})},
		"completes the orchestration as Running":    {ending(0, &wire.CompleteOrchestrationAction{})},
		"there is no orchestration status 99":       {ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: 99})},
		"there is no orchestration status -1":       {ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: -1})},
		"completes the orchestration a second time": {end(0, ""), end(1, "")},
		"carries over was not raised":               {ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: again, CarryoverEvents: []*wire.HistoryEvent{begun("x")}})},
		"was not raised":                            {ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: again, CarryoverEvents: []*wire.HistoryEvent{{}}})},
		"nobody has asked for":                      {rewindTo(nil)},
		"which nobody has asked":                    {rewindTo([]*wire.HistoryEvent{begun("x")})},
		"name, version or request ID":               {schedule(0, strings.Repeat("n", 201), "")},
		"version or request ID":                     {scheduleTask(0, &wire.ScheduleTaskAction{Name: "A", Version: text(strings.Repeat("v", 201))})},
		"or request ID has":                         {lock(0, strings.Repeat("r", 201), "@e@1")},
		"tags":                                      {scheduleTask(0, &wire.ScheduleTaskAction{Name: "A", Tags: map[string]string{"k": strings.Repeat("v", 9000)}})},
		"locks 1001 entities":                       {lock(0, guid(0), strings.Split(strings.Repeat("@e@1,", 1000)+"@e@1", ",")...)},
		"payload of TaskScheduled":                  {schedule(0, "A", strings.Repeat("a", 2<<20+1))},
		"at most 2000 are allowed":                  append(many(2001), end(3000, "")),
		"at most 16777216 are allowed":              sized(9, 1_990_000),
	}
}

func many(n int) (list []*wire.OrchestratorAction) {
	for i := range n {
		list = append(list, schedule(int32(i), "A", ""))
	}
	return list
}

func sized(n, size int) (list []*wire.OrchestratorAction) {
	for i := range n {
		list = append(list, schedule(int32(i), "A", strings.Repeat("a", size)))
	}
	return list
}

// Whatever a worker answers, its instance ends as failed, with a failure that
// says why, and all others go on. The answer is taken: a worker that is refused
// sends it again, or takes it for the end of the server.
func TestAWrongAnswerFailsItsInstanceAndNothingElse(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("bystander", "Tour")
	other := w.step("bystander")
	for what, actions := range wrongAnswers() {
		r.start("x", "Tour")
		w.answer(w.step("x"), actions...)
		f := r.ended("x", failed).GetFailureDetails()
		if !strings.Contains(f.GetErrorMessage(), what) || !f.GetIsNonRetriable() || f.GetErrorType() == "" {
			t.Errorf("%s: failure %v", what, f)
		}
	}
	w.answer(other, end(0, ""))
	r.ended("bystander", completed)
	w.nothing()
}

func TestWrongRewindsFailAsBefore(t *testing.T) {
	scheduled := func(id int32) *wire.HistoryEvent {
		return &wire.HistoryEvent{EventId: id, EventType: &wire.HistoryEvent_TaskScheduled{TaskScheduled: &wire.TaskScheduledEvent{Name: "A"}}}
	}
	ended := &wire.HistoryEvent{EventType: &wire.HistoryEvent_ExecutionCompleted{ExecutionCompleted: &wire.ExecutionCompletedEvent{OrchestrationStatus: failed}}}
	badLock := &wire.HistoryEvent{EventId: 1, EventType: &wire.HistoryEvent_EntityLockRequested{EntityLockRequested: &wire.EntityLockRequestedEvent{LockSet: []string{"x"}}}}
	odd := begun("x")
	odd.GetExecutionStarted().GetOrchestrationInstance().ExecutionId = text("odd")
	for what, history := range map[string][]*wire.HistoryEvent{
		"does not begin":                 {},
		"which does not begin":           {raised("n")},
		"begins twice":                   {begun("x"), begun("x")},
		"has ended":                      {begun("x"), ended},
		"whose ID is not in":             {begun("x"), scheduled(-4)},
		"event of a type":                {begun("x"), {}},
		"this server does not know":      {begun("x"), {EventType: &wire.HistoryEvent_HistoryState{}}},
		"invalid execution ID":           {odd},
		"not an entity":                  {begun("x"), badLock},
		"no orchestration status":        {begun("x"), {EventType: &wire.HistoryEvent_ExecutionCompleted{ExecutionCompleted: &wire.ExecutionCompletedEvent{OrchestrationStatus: 44}}}},
		"another action 5 in this execu": {begun("x"), scheduled(5)},
	} {
		r := open(t)
		w := r.work(everything())
		r.start("x", "Tour")
		w.answer(w.step("x"), failing(0, &wire.TaskFailureDetails{ErrorMessage: "bad"}))
		r.ended("x", failed)
		r.must(r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "x"}))
		w.answer(w.step("x"), rewindTo(history), schedule(5, "A", ""))
		s := must(r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: "x", GetInputsAndOutputs: true}))(t).GetOrchestrationState()
		if s.GetOrchestrationStatus() != failed || !strings.Contains(s.GetFailureDetails().GetErrorMessage(), what) {
			t.Errorf("%s: %v", what, s)
		}
	}
}

// The number of an action that waits for its answer is taken. Once it is answered
// it is free: Python tries again under the number of what has failed.
func TestTheNumberOfAnActionThatWaitsCannotComeTwice(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(7, "A", ""), schedule(4, "B", ""))
	a := w.task("A")
	w.task("B")
	w.did(a, "")
	w.answer(w.step("x"), schedule(3, "A", ""), schedule(4, "A", ""))
	r.ended("x", failed)
	// In any order, if they are different from what waits.
	r.start("y", "Tour")
	w.answer(w.step("y"), schedule(7, "A", ""))
	w.did(w.task("A"), "")
	w.answer(w.step("y"), schedule(3, "A", ""), schedule(7, "A", ""), end(1, ""))
	r.ended("y", completed)
}

func TestAStepIsAnsweredAsAWhole(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	answer := func(i *wire.WorkItem, processed int32, actions ...*wire.OrchestratorAction) error {
		q := r.response(i, actions...)
		q.NumEventsProcessed = wrapperspb.Int32(processed)
		_, err := r.CompleteOrchestratorTask(r.ctx, q)
		return err
	}
	r.start("x", "Tour")
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x", Name: "go"}))
	r.must(nil, answer(w.step("x"), 0)) // nothing was done: it comes again
	r.clock.Advance(time.Second)
	step := w.step("x")
	if n := len(step.GetOrchestratorRequest().GetNewEvents()); n != 3 {
		t.Fatalf("%d events", n)
	}
	r.must(nil, answer(step, 1, end(0, "")))
	r.ended("x", failed)
	for _, all := range []int32{1, 2, 7} { // the begin of the step counts, or not
		r.start("y", "Tour")
		r.must(nil, answer(w.step("y"), all, end(0, "")))
		r.ended("y", completed)
	}
}

// The outcome of an activity that nobody wants any more is taken without effect,
// and its slot is free.
func TestAnActivityOfWhatHasEndedIsOver(t *testing.T) {
	r := open(t)
	w := r.work(&wire.GetWorkItemsRequest{MaxConcurrentActivityWorkItems: 1})
	for i := range 4 {
		id := fmt.Sprint("x", i)
		r.start(id, "Tour")
		w.answer(w.step(id), schedule(0, "A", ""))
		a := w.task("A")
		r.must(r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: id}))
		r.ended(id, terminated)
		q := r.result(a, "")
		if i%2 == 0 {
			q.FailureDetails = &wire.TaskFailureDetails{ErrorMessage: "cancelled"}
		}
		if _, err := r.CompleteActivityTask(r.ctx, q); err != nil {
			wantCode(t, codes.FailedPrecondition, err)
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	add := func(m proto.Message) {
		m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 2000, protowire.VarintType), 7))
	}
	q := &wire.CreateInstanceRequest{InstanceId: "x", Name: "Tour", OrchestrationIdReusePolicy: nil}
	add(q)
	r.must(r.StartInstance(r.ctx, q))
	a := r.response(w.step("x"), end(0, ""))
	add(a)
	add(a.Actions[0])
	r.must(r.CompleteOrchestratorTask(r.ctx, a))
	r.ended("x", completed)
}

// malformed are requests that are refused, by what they would be taken for.
func TestMalformedRequestsAreRefusedInWords(t *testing.T) {
	r := open(t)
	long := strings.Repeat("n", 300)
	for what, f := range map[string]func() error{
		"no name": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{InstanceId: "x"})
			return err
		},
		"bad ID": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{InstanceId: "a#b", Name: "n"})
			return err
		},
		"entity": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{InstanceId: "@e@1", Name: "n"})
			return err
		},
		"long name": func() error { _, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{Name: long}); return err },
		"reserved tag": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{Name: "n", Tags: map[string]string{"FireAndForget": ""}})
			return err
		},
		"large input": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{Name: "n", Input: text(strings.Repeat("a", 3<<20))})
			return err
		},
		"large trace": func() error {
			_, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{Name: "n", ParentTraceContext: &wire.TraceContext{TraceParent: strings.Repeat("a", 1<<20)}})
			return err
		},
		"no event": func() error { _, err := r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "x"}); return err },
		"no operation": func() error {
			_, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1"})
			return err
		},
		"no entity": func() error {
			_, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "x", Name: "n"})
			return err
		},
		"long entity": func() error {
			_, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@" + long, Name: "n"})
			return err
		},
		"empty ID": func() error { _, err := r.TerminateInstance(r.ctx, &wire.TerminateRequest{}); return err },
		"no ID":    func() error { _, err := r.GetInstance(r.ctx, &wire.GetInstanceRequest{}); return err },
	} {
		err := f()
		wantCode(t, codes.InvalidArgument, err)
		if len(err.Error()) < 40 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Bytes that are no message at all, and text that is none, are refused before
// anything has seen them, and the connection goes on.
func TestBytesThatAreNoMessageAreRefused(t *testing.T) {
	r := open(t)
	for name, b := range map[string][]byte{"cut": {0x0a, 0xff}, "not UTF-8": {0x0a, 2, 0xc3, 0x28}, "group": {0x0b}, "endless": {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}} {
		for _, m := range methods {
			if m.good == nil || proto.Unmarshal(b, proto.CloneOf(m.good)) == nil {
				continue // it is one of fields that nobody knows
			}
			if err := r.invoke(r.ctx, m.name, b); err == nil {
				t.Errorf("%s: %s was taken", name, m.name)
			}
		}
	}
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), end(0, ""))
	r.ended("x", completed)
	large := &wire.CreateInstanceRequest{Name: "n", Input: text(strings.Repeat("a", 65<<20))}
	_, err := r.StartInstance(r.ctx, large)
	wantCode(t, codes.ResourceExhausted, err)
}

// Failures nested deeper than anything keeps, numbers that JSON has not, and times
// far away are kept as far as they can be.
func TestExtremesAreCutToWhatCanBeKept(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	deep := &wire.TaskFailureDetails{ErrorMessage: "root"}
	for range 3000 {
		deep = &wire.TaskFailureDetails{ErrorMessage: "e", InnerFailure: deep}
	}
	deep.Properties = map[string]*structpb.Value{"nan": structpb.NewNumberValue(math.NaN()), "inf": structpb.NewNumberValue(math.Inf(1)), "none": {}, "nil": nil, "ok": structpb.NewStringValue("v")}
	for _, at := range []*timestamppb.Timestamp{{Seconds: math.MinInt64, Nanos: math.MinInt32}, {Seconds: -1, Nanos: -1}, {Nanos: 2e9}, {Seconds: -62135596800}} {
		r.start("x", "Tour", func(q *wire.CreateInstanceRequest) { q.ScheduledStartTimestamp = at })
		w.answer(w.step("x"), timerAt(0, at), timerAt(1, &timestamppb.Timestamp{Seconds: math.MaxInt64, Nanos: math.MaxInt32}))
		step := w.step("x")
		if f := step.GetOrchestratorRequest().GetNewEvents()[1].GetTimerFired(); f.GetTimerId() != 0 || f.GetFireAt().CheckValid() != nil {
			t.Errorf("told %v", step)
		}
		w.answer(step, failing(2, deep))
		f := r.ended("x", failed).GetFailureDetails()
		if f.GetProperties()["ok"].GetStringValue() != "v" || f.GetInnerFailure().GetInnerFailure().GetErrorMessage() != "e" {
			t.Errorf("%v", f.GetProperties())
		}
	}
	r.start("far", "Tour", func(q *wire.CreateInstanceRequest) {
		q.ScheduledStartTimestamp = &timestamppb.Timestamp{Seconds: math.MaxInt64}
	})
	if s := r.state("far"); s.GetOrchestrationStatus() != pending || s.GetScheduledStartTimestamp().CheckValid() != nil {
		t.Errorf("%v", s)
	}
}

// Streams that are cut in whatever state they are leave nothing behind.
func TestStreamsCutInEveryStateLoseNothing(t *testing.T) {
	r := open(t)
	const many = 40
	for i := range many {
		r.start(fmt.Sprint("x", i), "Tour")
	}
	for i := range 60 {
		ctx, cancel := context.WithCancel(r.ctx)
		limit := i % 5
		stream, err := r.GetWorkItems(ctx, &wire.GetWorkItemsRequest{MaxConcurrentOrchestrationWorkItems: int32(limit)})
		if err != nil {
			t.Fatal(err)
		}
		for range min(i%4, limit) { // not yet read, or some of it; in part answered
			item, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if q := item.GetOrchestratorRequest(); q != nil && i%3 == 0 {
				partial := r.response(item, schedule(0, "A", ""))
				partial.IsPartial, partial.ChunkIndex = true, wrapperspb.Int32(0)
				_, _ = r.CompleteOrchestratorTask(r.ctx, partial)
			}
		}
		cancel()
	}
	w := r.work(everything())
	seen := map[string]bool{}
	for len(seen) < many {
		i := w.next()
		q := i.GetOrchestratorRequest()
		if q == nil || len(q.GetPastEvents()) > 0 {
			t.Fatalf("%v", i)
		}
		if _, err := r.CompleteOrchestratorTask(r.ctx, r.response(i, end(0, ""))); err == nil {
			seen[q.GetInstanceId()] = true
		}
	}
	for i := range many {
		r.ended(fmt.Sprint("x", i), completed)
	}
}
