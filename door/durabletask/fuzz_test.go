package durabletask_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/internal/histories"
)

// most is what may be allocated for an input, by whatever goes on in the server
// beside it too. None is longer than a message may be.
const most = 64 << 20

// method is a call with one request, and a request that it takes.
type method struct {
	name string
	good proto.Message
}

// methods are all unary calls of the service.
var methods = []method{
	{"Hello", nil},
	{"StartInstance", &wire.CreateInstanceRequest{InstanceId: "f", Name: "Tour", Input: text("1"), Tags: map[string]string{"a": "b"}}},
	{"GetInstance", &wire.GetInstanceRequest{InstanceId: "x", GetInputsAndOutputs: true}},
	{"RewindInstance", &wire.RewindInstanceRequest{InstanceId: "x", Reason: text("r")}},
	{"RestartInstance", &wire.RestartInstanceRequest{InstanceId: "x"}},
	{"WaitForInstanceStart", &wire.GetInstanceRequest{InstanceId: "x"}},
	{"WaitForInstanceCompletion", &wire.GetInstanceRequest{InstanceId: "x"}},
	{"RaiseEvent", &wire.RaiseEventRequest{InstanceId: "x", Name: "n", Input: text("1")}},
	{"TerminateInstance", &wire.TerminateRequest{InstanceId: "x", Output: text("o"), Recursive: true}},
	{"SuspendInstance", &wire.SuspendRequest{InstanceId: "x"}},
	{"ResumeInstance", &wire.ResumeRequest{InstanceId: "x"}},
	{"QueryInstances", &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{RuntimeStatus: []wire.OrchestrationStatus{running}, MaxInstanceCount: 3, InstanceIdPrefix: text("x")}}},
	{"ListInstanceIds", &wire.ListInstanceIdsRequest{PageSize: 2, LastInstanceKey: text("AAAAAAAAAAA.x")}},
	{"PurgeInstances", &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: "f"}, Recursive: true}},
	{"CompleteActivityTask", &wire.ActivityResponse{InstanceId: "x", TaskId: 1, Result: text("r")}},
	{"CompleteOrchestratorTask", &wire.OrchestratorResponse{InstanceId: "x", Actions: []*wire.OrchestratorAction{schedule(0, "A", "1"), end(1, "")}}},
	{"CompleteEntityTask", &wire.EntityBatchResult{CompletionToken: "t", Results: []*wire.OperationResult{succeeded("")}}},
	{"SignalEntity", &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "n"}},
	{"GetEntity", &wire.GetEntityRequest{InstanceId: "@e@1", IncludeState: true}},
	{"QueryEntities", &wire.QueryEntitiesRequest{Query: &wire.EntityQuery{InstanceIdStartsWith: text("@e")}}},
	{"CleanEntityStorage", &wire.CleanEntityStorageRequest{RemoveEmptyEntities: true, ReleaseOrphanedLocks: true}},
	{"CreateTaskHub", &wire.CreateTaskHubRequest{RecreateIfExists: true}},
	{"DeleteTaskHub", &wire.DeleteTaskHubRequest{}},
	{"AbandonTaskActivityWorkItem", &wire.AbandonActivityTaskRequest{CompletionToken: "t"}},
	{"AbandonTaskOrchestratorWorkItem", &wire.AbandonOrchestrationTaskRequest{CompletionToken: "t"}},
	{"AbandonTaskEntityWorkItem", &wire.AbandonEntityTaskRequest{CompletionToken: "t"}},
	{"SkipGracefulOrchestrationTerminations", &wire.SkipGracefulOrchestrationTerminationsRequest{InstanceBatch: &wire.InstanceBatch{InstanceIds: []string{"x"}}}},
}

// extras are what may ride in a request beyond the protocol: what is for another one is
// read as something else.
var extras = []proto.Message{
	&extra.Request{Key: "k", IfExists: 2, Execution: make([]byte, 16), Whole: true, Waits: true, Fresh: true},
	&extra.Request{Query: []byte(`{"Statuses":["Running"],"PageSize":2,"Payloads":true}`)},
	&extra.Step{More: true, KeepStatus: true, CancelTimers: []int32{1}, CancelTasks: []int32{2}, Awaits: []string{"n"}},
	&extra.Abandon{After: 1e9},
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

var _ encoding.CodecV2 = rawCodec{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }

// invoke calls a method with bytes.
func (r *rig) invoke(ctx context.Context, name string, b []byte) error {
	var answer []byte
	return r.conn.Invoke(ctx, "/TaskHubSidecarService/"+name, &b, &answer, grpc.ForceCodecV2(rawCodec{}))
}

// handled are the codes of answers to whatever may be sent. Waits end with the
// deadline, and what is no message at all is INTERNAL by the library's own choice.
func handled(c codes.Code, decoded bool) bool {
	switch c {
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	case codes.Internal:
		return !decoded
	}
	return false
}

func FuzzAnyBytesIntoAnyCall(f *testing.F) {
	for i, m := range methods {
		var b []byte
		if m.good != nil {
			b, _ = proto.Marshal(m.good)
		}
		f.Add(uint8(i), b)
		for _, x := range extras {
			f.Add(uint8(i), extra.Append(slices.Clone(b), x))
		}
	}
	r := open(f)
	r.start("x", "Tour")
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		m := methods[int(which)%len(methods)]
		wait := 5 * time.Second
		if m.name == "WaitForInstanceCompletion" || m.name == "WaitForInstanceStart" {
			wait = 20 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		began := time.Now()
		var err error
		fuzztest.Bounded(t, most, 1, func() { err = r.invoke(ctx, m.name, b) })
		decoded := m.good != nil && proto.Unmarshal(b, proto.CloneOf(m.good)) == nil
		if !handled(status.Code(err), decoded) || wait == 5*time.Second && time.Since(began) >= wait {
			t.Errorf("%s after %v: %v", m.name, time.Since(began), err)
		}
		if err := r.hub.Health(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzStepsOfAWorker answers the steps of one orchestration, and whatever else comes
// of it, with what the input says: first how many bytes, and then so many that are
// a response. The worker is one of this project, or any. Whatever that is, the instance
// has a history, and can be ended.
func FuzzStepsOfAWorker(f *testing.F) {
	addOf := func(own bool, list ...proto.Message) {
		var all []byte
		for _, m := range list {
			b, _ := proto.Marshal(m)
			all = append(append(all, byte(len(b)>>8), byte(len(b))), b...)
		}
		f.Add(all, own)
	}
	add := func(list ...proto.Message) { addOf(false, list...) }
	step := func(actions ...*wire.OrchestratorAction) *wire.OrchestratorResponse {
		return &wire.OrchestratorResponse{Actions: actions}
	}
	add(step(schedule(0, "A", "1"), child(1, "", "C"), signal(2, "@e@1", "op", "")), step(end(0, "")), step(end(3, "")))
	add(step(ending(0, &wire.CompleteOrchestrationAction{OrchestrationStatus: again, CarryoverEvents: []*wire.HistoryEvent{raised("n")}})), step(end(0, "")))
	add(step(lock(0, "s", "@e@1", "@e@2")), step(call(1, "@e@1", "op", "1")), step(unlock(2, "s", "@e@1"), end(2, "")))
	add(step(send(0, "@e@1", "op", `{"op":"a","id":"1"}`)), step(failing(1, &wire.TaskFailureDetails{ErrorMessage: "e"})))
	add(step(rewindTo([]*wire.HistoryEvent{begun("x")})))
	for _, actions := range wrongAnswers() {
		if m := step(actions...); proto.Size(m) < 2000 {
			add(m)
		}
	}
	for _, list := range ownSteps() {
		addOf(true, list...)
	}
	plain, ours := open(f), open(f)
	asks := everything()
	extra.Put(asks, &extra.Worker{Revision: 1, Live: 10})
	worker, own := plain.work(everything()), ours.work(asks)
	f.Fuzz(func(t *testing.T, script []byte, isOwn bool) {
		r, w := plain, worker
		if isOwn {
			r, w = ours, own
		}
		r.t = t
		fuzztest.Bounded(t, most, 1, func() { r.play(t, w, script) })
	})
}

// ownSteps are answers of a worker of this project, with what the protocol has no words
// for: of a step, and of its actions.
func ownSteps() (lists [][]proto.Message) {
	with := func(x *extra.Step, actions ...*wire.OrchestratorAction) *wire.OrchestratorResponse {
		q := &wire.OrchestratorResponse{Actions: actions, CustomStatus: text("s")}
		extra.Put(q, x)
		return q
	}
	also := func(a *wire.OrchestratorAction, x *extra.Event) *wire.OrchestratorAction {
		extra.Put(a, x)
		return a
	}
	attempt := &extra.Event{Name: "A", Call: 1, Attempt: 2, Timeout: 5e9, AfterCommit: true}
	return [][]proto.Message{
		{with(&extra.Step{More: true}, also(schedule(0, "A", "1"), attempt)), with(&extra.Step{KeepStatus: true, CancelTasks: []int32{0}}, end(1, ""))},
		{with(&extra.Step{CancelTimers: []int32{7}, CancelTasks: []int32{-1}, Awaits: []string{"n", "n"}}, also(signal(0, "@e@1", "op", ""), &extra.Event{
			Sender: &extra.Sender{Instance: "x", Execution: make([]byte, 16), Id: 3}, Trace: &extra.Trace{Parent: "p", SpanId: "s"},
		}))},
		{with(&extra.Step{}, also(end(0, ""), &extra.Event{Tags: map[string]string{"a": "b"}}))},
		{with(&extra.Step{}, also(child(0, "", "C"), &extra.Event{FireAt: 1}), also(end(1, ""), &extra.Event{Marker: "m"}))},
	}
}

// play lets the worker answer by a script until it is over.
func (r *rig) play(t *testing.T, w *worker, script []byte) {
	engineClient := r.hub.Engine()
	if _, err := engineClient.Start(r.ctx, engine.StartRequest{Instance: "x", Name: "Tour", IfExists: engine.ReplaceAny}); err != nil {
		t.Fatal(err)
	}
	next := func() []byte {
		if len(script) < 2 {
			return nil
		}
		n := min(int(script[0])<<8|int(script[1]), len(script)-2)
		b := script[2 : 2+n]
		script = script[2+n:]
		return b
	}
	for range 20 {
		var i *wire.WorkItem
		select {
		case i = <-w.items:
		case err := <-w.failed:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond): // nothing may be to be done
		}
		if i == nil || len(script) == 0 {
			break
		}
		r.respond(t, i, next())
	}
	if err := engineClient.Terminate(r.ctx, engine.TerminateRequest{Instance: "x", Recursive: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := engineClient.Wait(r.ctx, "x", engine.UntilEnded, engine.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	history, err := engineClient.History(r.ctx, "x")
	if err == nil {
		err = histories.CheckForeign(history)
	}
	if err != nil {
		t.Fatalf("history: %v\n%+v", err, history)
	}
	if err := r.hub.Health(); err != nil {
		t.Fatal(err)
	}
}

// respond answers an item of work with bytes that may be a response to it.
func (r *rig) respond(t *testing.T, i *wire.WorkItem, b []byte) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	var err error
	switch {
	case i.GetOrchestratorRequest() != nil:
		q := &wire.OrchestratorResponse{}
		_ = proto.Unmarshal(b, q)
		q.InstanceId, q.CompletionToken = i.GetOrchestratorRequest().GetInstanceId(), i.GetCompletionToken()
		_, err = r.CompleteOrchestratorTask(ctx, q)
	case i.GetEntityRequestV2() != nil:
		q := &wire.EntityBatchResult{}
		_ = proto.Unmarshal(b, q)
		q.CompletionToken = i.GetCompletionToken()
		_, err = r.CompleteEntityTask(ctx, q)
	default:
		q := &wire.ActivityResponse{}
		_ = proto.Unmarshal(b, q)
		q.CompletionToken = i.GetCompletionToken()
		_, err = r.CompleteActivityTask(ctx, q)
	}
	if !handled(status.Code(err), true) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// sends is an action of an operation by which an entity of this project sends an event.
func sends(s *extra.Sent) *wire.OperationAction {
	a := &wire.OperationAction{Id: 3}
	extra.Put(a, &extra.Event{Sent: s})
	return a
}

// FuzzEntityResults answers a batch of operations with whatever the input is: the
// caller is answered, or the operation comes again.
func FuzzEntityResults(f *testing.F) {
	for _, m := range []*wire.EntityBatchResult{
		{Results: []*wire.OperationResult{succeeded("1")}, EntityState: text("1")},
		{Results: []*wire.OperationResult{broken("E", "m")}},
		{FailureDetails: &wire.TaskFailureDetails{ErrorMessage: "e"}},
		{RequiresState: true},
		{Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{
			{Id: 1, OperationActionType: &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{InstanceId: "@e@2", Name: "n"}}},
			{Id: 2, OperationActionType: &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{Name: "n"}}},
		}},
		{Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{sends(&extra.Sent{Instance: "x", Name: "n", Payload: []byte("1")}), sends(&extra.Sent{Absent: true})}},
	} {
		b, _ := proto.Marshal(m)
		f.Add(b)
	}
	r := openVirtual(f)
	w := r.work(&wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{Entities: []*wire.EntityFilter{{Name: "f"}}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		r.t = t
		r.must(r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@f@1", Name: "op"}))
		batch := w.batch("@f@1")
		fuzztest.Bounded(t, most, 1, func() { r.respond(t, batch, b) })
		for done := false; !done; { // what was left, or was to come again, is done in the end
			select {
			case i := <-w.items:
				q := &wire.EntityBatchResult{CompletionToken: i.GetCompletionToken()}
				for range i.GetEntityRequestV2().GetOperationRequests() {
					q.Results = append(q.Results, succeeded(""))
				}
				r.must(r.CompleteEntityTask(r.ctx, q))
			default:
				r.clock.Advance(time.Second)
				e := must(r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: "@f@1"}))(t)
				done = e.GetEntity().GetBacklogQueueSize() == 0
			}
		}
	})
}
