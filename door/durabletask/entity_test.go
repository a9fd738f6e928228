package durabletask_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func (r *rig) signal(entity, op, input string) {
	r.t.Helper()
	r.must(r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: entity, Name: op, Input: text(input)}))
}

func (r *rig) entity(id string) *wire.GetEntityResponse {
	r.t.Helper()
	return must(r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: id, IncludeState: true}))(r.t)
}

func TestSignalsAndCallsReachAnEntityWithWhoAsks(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	execution := r.state("x").GetExecutionId().GetValue()
	w.answer(w.step("x"), signal(0, "@counter@a", "add", "1"), call(1, "@counter@a", "get", "2"))
	var ops []*wire.HistoryEvent
	for len(ops) < 2 {
		i := w.batch("@counter@a")
		q := i.GetEntityRequestV2()
		if len(q.GetExecutionId()) != 32 {
			t.Errorf("execution %q", q.GetExecutionId())
		}
		ops = append(ops, q.GetOperationRequests()...)
		results := make([]string, len(q.GetOperationRequests()))
		for n := range results {
			results[n] = fmt.Sprint(len(ops))
		}
		w.applied(i, fmt.Sprint(len(ops)), results...)
	}
	s, c := ops[0].GetEntityOperationSignaled(), ops[1].GetEntityOperationCalled()
	if s.GetOperation() != "add" || s.GetInput().GetValue() != "1" || s.GetRequestId() == "" || ops[0].GetEventId() != -1 {
		t.Errorf("%v", ops[0])
	}
	if c.GetOperation() != "get" || c.GetRequestId() != guid(1) || c.GetParentInstanceId().GetValue() != "x" || c.GetParentExecutionId().GetValue() != execution {
		t.Errorf("%v", c)
	}
	step := w.step("x")
	q := step.GetOrchestratorRequest()
	if e := q.GetNewEvents()[1].GetEntityOperationCompleted(); e.GetRequestId() != guid(1) || e.GetOutput().GetValue() != "2" {
		t.Errorf("told %v", q.GetNewEvents())
	}
	if want := []string{"OrchestratorStarted", "ExecutionStarted", "EntityOperationSignaled", "EntityOperationCalled"}; !slices.Equal(kinds(q.GetPastEvents()), want) {
		t.Errorf("past %v", kinds(q.GetPastEvents()))
	}
	if c := q.GetPastEvents()[3].GetEntityOperationCalled(); c.GetTargetInstanceId().GetValue() != "@counter@a" || c.GetParentInstanceId().GetValue() != "x" {
		t.Errorf("%v", c)
	}
	w.answer(step, end(2, ""))
	r.ended("x", completed)
	e := r.entity("@counter@a")
	if !e.GetExists() || e.GetEntity().GetSerializedState().GetValue() != "2" || e.GetEntity().GetLastModifiedTime() == nil {
		t.Errorf("%v", e)
	}
	if e := must(r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: "@counter@a"}))(t); e.GetEntity().GetSerializedState() != nil {
		t.Errorf("%v", e)
	}
	_, err := r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: "x"})
	wantCode(t, codes.InvalidArgument, err)
}

func TestFailedOperationsAnswerTheirCallers(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), call(0, "@e@1", "bad", ""))
	b := w.batch("@e@1")
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), Results: []*wire.OperationResult{broken("E", "no")}}))
	step := w.step("x")
	if f := step.GetOrchestratorRequest().GetNewEvents()[1].GetEntityOperationFailed(); f.GetRequestId() != guid(0) || f.GetFailureDetails().GetErrorMessage() != "no" {
		t.Errorf("%v", f)
	}
	w.answer(step, end(1, ""))
	r.ended("x", completed)
	if e := r.entity("@e@1"); e.GetExists() { // it never had a state
		t.Errorf("%v", e)
	}
}

// What a worker leaves out stays queued, and what it could not do at all comes
// again after a while.
func TestABatchMayBeDoneInPart(t *testing.T) {
	r := openVirtual(t)
	w := r.work(&wire.GetWorkItemsRequest{MaxConcurrentEntityWorkItems: 1})
	r.signal("@hold@1", "go", "")
	held := w.batch("@hold@1")
	for i := range 3 {
		r.signal("@e@1", "add", fmt.Sprint(i))
	}
	w.applied(held, "1", "")
	b := w.batch("@e@1")
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), FailureDetails: &wire.TaskFailureDetails{ErrorMessage: "framework"}}))
	w.nothing()
	r.clock.Advance(2 * time.Second)
	for left := 3; left > 0; left-- {
		b := w.batch("@e@1")
		ops := b.GetEntityRequestV2().GetOperationRequests()
		if got := ops[0].GetEntityOperationSignaled().GetInput().GetValue(); got != fmt.Sprint(3-left) {
			t.Fatalf("operation %q with %d left", got, left)
		}
		w.applied(b, fmt.Sprint(3-left), "")
	}
	if e := r.entity("@e@1"); e.GetEntity().GetSerializedState().GetValue() != "2" {
		t.Errorf("%v", e)
	}
}

// A result that cannot be kept fails the operations: asked for without end, they
// would never be over.
func TestResultsThatCannotBeKeptFailTheOperations(t *testing.T) {
	tooLong := make([]byte, 3<<20)
	for i := range tooLong {
		tooLong[i] = 'a'
	}
	for what, b := range map[string]*wire.EntityBatchResult{
		"state":      {EntityState: text(string(tooLong)), Results: []*wire.OperationResult{succeeded("")}},
		"results":    {Results: []*wire.OperationResult{succeeded(""), succeeded("")}},
		"no result":  {Results: []*wire.OperationResult{{}}},
		"no action":  {Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{{}}},
		"no entity":  {Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{InstanceId: "x", Name: "n"}}}}},
		"no name":    {Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{InstanceId: "@e@2"}}}}},
		"no such ID": {Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{InstanceId: "a/b", Name: "n"}}}}},
		"nil signal": {Results: []*wire.OperationResult{succeeded("")}, Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_SendSignal{}}}},
	} {
		t.Run(what, func(t *testing.T) {
			r := open(t)
			w := r.work(everything())
			r.start("x", "Tour")
			w.answer(w.step("x"), call(0, "@e@1", "op", ""))
			b.CompletionToken = w.batch("@e@1").GetCompletionToken()
			r.must(r.CompleteEntityTask(r.ctx, b))
			step := w.step("x")
			if f := step.GetOrchestratorRequest().GetNewEvents()[1].GetEntityOperationFailed(); f.GetFailureDetails().GetErrorMessage() == "" {
				t.Errorf("%v", step)
			}
			w.answer(step, end(1, ""))
			r.ended("x", completed)
		})
	}
}

func TestOperationsMaySignalAndStart(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.signal("@e@1", "go", "")
	at := timestamppb.New(r.clock.Wall().Add(time.Hour))
	trace := &wire.TraceContext{TraceParent: "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01", SpanID: "0000000000000001"}
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{
		CompletionToken: w.batch("@e@1").GetCompletionToken(), EntityState: text("s"), Results: []*wire.OperationResult{succeeded("")},
		Actions: []*wire.OperationAction{
			{Id: 0, OperationActionType: &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{InstanceId: "@e@2", Name: "later", Input: text("i"), ScheduledTime: at}}},
			{Id: 1, OperationActionType: &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{
				InstanceId: "started", Name: "Tour", Version: text("2"), Input: text("in"), ParentTraceContext: trace}}},
			{Id: 2, OperationActionType: &wire.OperationAction_StartNewOrchestration{StartNewOrchestration: &wire.StartNewOrchestrationAction{Name: "Late", ScheduledTime: at}}},
		},
	}))
	step := w.step("started")
	s := step.GetOrchestratorRequest().GetNewEvents()[1].GetExecutionStarted()
	if s.GetVersion().GetValue() != "2" || s.GetInput().GetValue() != "in" || s.GetParentInstance() != nil || s.GetParentTraceContext().GetSpanID() != "0000000000000001" {
		t.Errorf("%v", s)
	}
	w.answer(step, end(0, ""))
	w.nothing()
	r.clock.Advance(time.Hour)
	for range 2 {
		i := w.next()
		switch b := i.GetEntityRequestV2(); {
		case b != nil:
			if b.GetInstanceId() != "@e@2" {
				t.Errorf("%v", b)
			}
			w.applied(i, "", "")
		default:
			w.answer(i, end(0, ""))
		}
	}
}

func TestCriticalSectionsLockInOrder(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	section := guid(200)
	var held *wire.WorkItem // the step in which x holds its locks
	for _, id := range []string{"x", "y"} {
		r.start(id, "Tour")
		w.answer(w.step(id), lock(0, section, "@acc@a", "@acc@b"))
		if id == "y" {
			break // it waits
		}
		step := w.step(id)
		if g := step.GetOrchestratorRequest().GetNewEvents()[1].GetEntityLockGranted(); g.GetCriticalSectionId() != section {
			t.Errorf("told %v", step)
		}
		if got := r.entity("@acc@a").GetEntity().GetLockedBy().GetValue(); got != "x" {
			t.Errorf("locked by %q", got)
		}
		held = step
	}
	w.answer(held, call(1, "@acc@a", "move", "1"))
	r.signal("@acc@a", "other", "")
	b := w.batch("@acc@a")
	if ops := b.GetEntityRequestV2().GetOperationRequests(); len(ops) != 1 || ops[0].GetEntityOperationCalled().GetOperation() != "move" {
		t.Errorf("%v", ops) // the signal of another waits
	}
	w.applied(b, "1", "ok")
	step := w.step("x")
	// As .NET does it: the releases have the number of the completion.
	w.answer(step, unlock(2, section, "@acc@a"), unlock(2, section, "@acc@b"), end(2, "done"))
	r.ended("x", completed)
	granted := false
	for range 2 { // y gets the lock, and the signal of another is let in before or after
		i := w.next()
		if q := i.GetOrchestratorRequest(); q != nil {
			granted = q.GetInstanceId() == "y" && q.GetNewEvents()[1].GetEntityLockGranted() != nil
			w.answer(i, end(1, "")) // without a release
			continue
		}
		w.applied(i, "2", "")
	}
	r.ended("y", completed)
	for _, id := range []string{"@acc@a", "@acc@b"} {
		if e := r.entity(id); e.GetEntity().GetLockedBy() != nil {
			t.Errorf("%v", e)
		}
	}
	if !granted {
		t.Error("y was never granted its locks")
	}
}

// classic is a message to an entity as early .NET sends it.
func classic(id int32, entity, name string, fields map[string]any) *wire.OrchestratorAction {
	data, _ := json.Marshal(fields)
	return send(id, entity, name, string(data))
}

func TestClassicMessagesToEntitiesAreUnderstoodAndShownAsSent(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour")
	due := r.clock.Wall().Add(time.Hour)
	w.answer(w.step("x"),
		classic(0, "@counter@a", "op", map[string]any{"op": "add", "signal": true, "input": `"1"`, "id": guid(1)}),
		classic(1, "@counter@a", "op", map[string]any{"op": "get", "input": nil, "id": guid(2), "parent": "x", "parentExecution": "e"}),
		classic(2, "@counter@a", "op@"+due.Format("2006-01-02T15:04:05.0000000Z07:00"), map[string]any{"op": "late", "signal": true, "id": guid(3), "due": due}),
		classic(3, "@counter@a", "op", map[string]any{"op": "bad", "id": guid(4)}))
	b := w.batch("@counter@a")
	ops := b.GetEntityRequestV2().GetOperationRequests()
	if len(ops) != 3 || ops[0].GetEntityOperationSignaled().GetInput().GetValue() != `"1"` || ops[1].GetEntityOperationCalled().GetRequestId() != guid(2) {
		t.Fatalf("%v", ops)
	}
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), EntityState: text("1"),
		Results: []*wire.OperationResult{succeeded(""), succeeded(`"one"`), broken("E", "no")}}))
	var told []*wire.HistoryEvent
	var step *wire.WorkItem
	for len(told) < 2 {
		if len(told) > 0 {
			w.answer(step)
		}
		step = w.step("x")
		told = append(told, step.GetOrchestratorRequest().GetNewEvents()[1:]...)
	}
	if e := told[0].GetEventRaised(); e.GetName() != guid(2) || e.GetInput().GetValue() != `{"result":"\"one\""}` {
		t.Errorf("told %v", e)
	}
	if e := told[1].GetEventRaised(); e.GetName() != guid(4) ||
		e.GetInput().GetValue() != `{"result":null,"exceptionType":"no","failureDetails":{"ErrorType":"E","ErrorMessage":"no"}}` {
		t.Errorf("told %v", e)
	}
	w.answer(step, classic(4, "@counter@a", "op", map[string]any{"id": guid(5), "lockset": []map[string]string{{"name": "Counter", "key": "a"}, {"name": "Counter", "key": "b"}}, "pos": 0}))
	step = w.step("x")
	if e := step.GetOrchestratorRequest().GetNewEvents()[1].GetEventRaised(); e.GetName() != guid(5) || e.GetInput().GetValue() != `{"result":"Lock Acquisition Completed"}` {
		t.Errorf("told %v", step)
	}
	if got := r.entity("@counter@b").GetEntity().GetLockedBy().GetValue(); got != "x" {
		t.Errorf("locked by %q", got)
	}
	w.answer(step,
		classic(5, "@counter@a", "release", map[string]any{"parent": "x", "id": guid(5)}),
		classic(6, "@counter@b", "release", map[string]any{"parent": "x", "id": guid(5)}),
		timerAt(7, timestamppb.New(due)))
	r.pass(time.Hour, "x")
	for range 2 {
		if i := w.next(); i.GetEntityRequestV2() != nil {
			if op := i.GetEntityRequestV2().GetOperationRequests()[0].GetEntityOperationSignaled(); op.GetOperation() != "late" {
				t.Errorf("%v", op)
			}
			w.applied(i, "2", "")
		} else {
			step = i
		}
	}
	if got := r.entity("@counter@b").GetEntity().GetLockedBy(); got != nil {
		t.Errorf("locked by %v", got)
	}
	sent := map[int32]string{}
	for _, e := range step.GetOrchestratorRequest().GetPastEvents() {
		if s := e.GetEventSent(); s != nil {
			sent[e.GetEventId()] = s.GetName()
			if !json.Valid([]byte(s.GetInput().GetValue())) {
				t.Errorf("%v", s)
			}
		} else if e.GetEventId() >= 0 && e.GetEventId() < 7 {
			t.Errorf("action %d is shown as %v", e.GetEventId(), e)
		}
	}
	for id, want := range []string{"op", "op", "op@" + due.Format("2006-01-02T15:04:05.0000000Z07:00"), "op", "op", "release", "release"} {
		if sent[int32(id)] != want {
			t.Errorf("action %d was sent as %q, want %q", id, sent[int32(id)], want)
		}
	}
	w.answer(step, end(8, ""))
	r.ended("x", completed)
}

func TestAClassicMessageThatIsNoneFailsItsSenderOnly(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	for _, data := range []string{"", "{", `[]`, `{"lockset":7}`, `{"due":"never"}`} {
		r.start("x", "Tour")
		w.answer(w.step("x"), send(0, "@counter@a", "op", data))
		r.ended("x", failed)
	}
	r.start("x", "Tour") // another event for an entity is none of its business
	w.answer(w.step("x"), send(0, "@counter@a", "hello", ""), end(1, ""))
	r.ended("x", completed)
	// Clients raise events in the classic way, too.
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "@counter@a", Name: "op", Input: text(`{"op":"add","signal":true,"id":"` + guid(1) + `","input":"1"}`)}))
	w.applied(w.batch("@counter@a"), "1", "")
	_, err := r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "@counter@a", Name: "op", Input: text(`{"op":"get","id":"1"}`)})
	wantCode(t, codes.InvalidArgument, err)
	_, err = r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "@counter@a", Name: "op"})
	wantCode(t, codes.InvalidArgument, err)
	_, err = r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "@counter@a", Name: "else"})
	wantCode(t, codes.InvalidArgument, err)
}

// A rewound history in the classic encoding is read as what it means: a call that
// was not answered fails, a lock is asked for anew.
func TestClassicHistoriesCanBeRewound(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), classic(0, "@e@1", "op", map[string]any{"op": "a", "id": guid(1)}), classic(1, "@e@1", "op", map[string]any{"op": "b", "id": guid(2)}))
	b := w.batch("@e@1")
	w.applied(b, "1", "ra")           // the other one stays
	again, step := w.next(), w.next() // whichever comes first
	if again.GetEntityRequestV2() == nil {
		again, step = step, again
	}
	w.answer(step, failing(2, &wire.TaskFailureDetails{ErrorMessage: "bad"}))
	r.ended("x", failed)
	r.must(r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "x"}))
	step = w.step("x")
	var history []*wire.HistoryEvent
	for _, e := range append(slices.Clone(step.GetOrchestratorRequest().GetPastEvents()), step.GetOrchestratorRequest().GetNewEvents()...) {
		if e.GetExecutionCompleted() == nil {
			history = append(history, e)
		}
	}
	w.answer(step, rewindTo(history))
	step = w.step("x")
	told := step.GetOrchestratorRequest().GetNewEvents()
	if n := len(told); n != 2 || told[1].GetEventRaised().GetName() != guid(2) {
		t.Errorf("told %v", told)
	}
	w.answer(step, end(2, ""))
	w.applied(again, "2", "rb")
	r.ended("x", completed)
}

// The type of an entity is the same in any case, as in filters and over HTTP; its
// key is not.
func TestTheTypeOfAnEntityIsReadWithoutCase(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.signal("@Abc@K", "add", "")
	w.applied(w.batch("@abc@K"), "1", "")
	r.signal("@abc@k", "add", "")
	w.applied(w.batch("@abc@k"), "2", "")
	r.must(r.RaiseEvent(r.ctx, &wire.RaiseEventRequest{InstanceId: "@ABC@K", Name: "op", Input: text(`{"op":"add","signal":true,"id":"` + guid(9) + `"}`)}))
	b := w.batch("@abc@K")
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{
		CompletionToken: b.GetCompletionToken(), EntityState: text("3"), Results: []*wire.OperationResult{succeeded("")},
		Actions: []*wire.OperationAction{{OperationActionType: &wire.OperationAction_SendSignal{SendSignal: &wire.SendSignalAction{InstanceId: "@Abc@Z", Name: "n"}}}},
	}))
	w.applied(w.batch("@abc@Z"), "4", "")
	for id, want := range map[string]string{"@ABC@K": "3", "@abc@K": "3", "@Abc@k": "2", "@aBc@Z": "4"} {
		if e := r.entity(id).GetEntity(); e.GetSerializedState().GetValue() != want {
			t.Errorf("%s: %v, want the state %s", id, e, want)
		}
	}
	for prefix, want := range map[string]int{"@ABC@": 3, "@Ab": 3, "@Abc@K": 1, "@": 3} {
		p := must(r.QueryEntities(r.ctx, &wire.QueryEntitiesRequest{Query: &wire.EntityQuery{InstanceIdStartsWith: text(prefix)}}))(t)
		if len(p.GetEntities()) != want {
			t.Errorf("with the prefix %q there are %v", prefix, p.GetEntities())
		}
	}
	r.start("x", "Tour")
	w.answer(w.step("x"), signal(0, "@Abc@K", "s", ""), call(1, "@ABC@K", "c", ""))
	for ops := 0; ops < 2; {
		b := w.batch("@abc@K")
		n := len(b.GetEntityRequestV2().GetOperationRequests())
		w.applied(b, "5", make([]string, n)...)
		ops += n
	}
	w.answer(w.step("x"), lock(2, guid(3), "@Abc@K"))
	step := w.step("x")
	if got := r.entity("@abc@K").GetEntity().GetLockedBy().GetValue(); got != "x" {
		t.Errorf("locked by %q", got)
	}
	w.answer(step, unlock(3, guid(3), "@aBC@K"), timerAt(4, timestamppb.New(time.Now().Add(time.Hour))))
	r.state("x")
	if got := r.entity("@abc@K").GetEntity().GetLockedBy(); got != nil {
		t.Errorf("locked by %v after the release", got)
	}
}
