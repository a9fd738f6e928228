package server

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
)

const (
	traceOfStart = "0af7651916cd43dd8448eb211c80319c"
	spanOfStart  = "b7ad6b7169203331"
	spanOfSDK    = "00f067aa0ba902b7" // of a worker that traces, too
	secret       = `"secret"`
)

func traceparent(span string) *wire.TraceContext {
	return &wire.TraceContext{TraceParent: "00-" + traceOfStart + "-" + span + "-01", SpanID: span}
}

// spanIn is the span that a trace context names.
func spanIn(c *wire.TraceContext) string {
	parts := strings.Split(c.GetTraceParent(), "-")
	if len(parts) != 4 || parts[1] != traceOfStart || parts[2] != c.GetSpanID() {
		return "not in the trace: " + c.String()
	}
	return parts[2]
}

// tracedWorker works through orchestrations that do one thing after another, and
// notes which spans it was told.
type tracedWorker struct {
	t       *testing.T
	c       wire.TaskHubSidecarServiceClient
	work    grpc.ServerStreamingClient[wire.WorkItem]
	told    map[string]string
	request *wire.GetWorkItemsRequest
}

func (w *tracedWorker) connect(s *running) {
	w.t.Helper()
	var err error
	w.c = wire.NewTaskHubSidecarServiceClient(s.dial(w.t, nil))
	if w.work, err = w.c.GetWorkItems(w.t.Context(), w.request); err != nil {
		w.t.Fatal(err)
	}
}

// run works until it has an activity of the name, or has completed an orchestration
// of it.
func (w *tracedWorker) run(until string) *wire.WorkItem {
	w.t.Helper()
	for {
		item, err := w.work.Recv()
		if err != nil {
			w.t.Fatal(err)
		}
		name := ""
		switch {
		case item.GetActivityRequest() != nil:
			name = item.GetActivityRequest().GetName()
			w.note("activity:"+name, spanIn(item.GetActivityRequest().GetParentTraceContext()))
			if name == until {
				return item
			}
			_, err = w.c.CompleteActivityTask(w.t.Context(), &wire.ActivityResponse{CompletionToken: item.CompletionToken,
				FailureDetails: &wire.TaskFailureDetails{ErrorType: "Broken", ErrorMessage: "it broke"}})
		case item.GetEntityRequestV2() != nil:
			_, err = w.c.CompleteEntityTask(w.t.Context(), &wire.EntityBatchResult{CompletionToken: item.CompletionToken, EntityState: wrapperspb.String(secret),
				Results: []*wire.OperationResult{{ResultType: &wire.OperationResult_Success{Success: &wire.OperationResultSuccess{Result: wrapperspb.String(secret)}}}}})
		case item.GetOrchestratorRequest() != nil:
			if name, err = w.step(item); name == until && err == nil {
				return item
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// note notes what the worker was told of a span, which is always the same.
func (w *tracedWorker) note(name, span string) {
	if before := w.told[name]; before != "" && before != span {
		w.t.Errorf("the worker was told first that %s is span %s, then that it is %s", name, before, span)
	}
	w.told[name] = span
}

// step makes a step, and returns the name of an orchestration that it completes.
func (w *tracedWorker) step(item *wire.WorkItem) (completed string, err error) {
	q := item.GetOrchestratorRequest()
	name, done := "", 0
	for _, e := range slices.Concat(q.PastEvents, q.NewEvents) {
		switch {
		case e.GetExecutionStarted() != nil:
			name = e.GetExecutionStarted().GetName()
			w.note("orchestration:"+name, spanIn(e.GetExecutionStarted().GetParentTraceContext()))
		case e.GetTaskCompleted() != nil, e.GetTaskFailed() != nil, e.GetEntityOperationCompleted() != nil, e.GetSubOrchestrationInstanceFailed() != nil:
			done++
		}
	}
	a := actionOf(name, done)
	_, err = w.c.CompleteOrchestratorTask(w.t.Context(), &wire.OrchestratorResponse{InstanceId: q.InstanceId, CompletionToken: item.CompletionToken, Actions: []*wire.OrchestratorAction{a}})
	if a.GetCompleteOrchestration() == nil {
		name = ""
	}
	return name, err
}

// actionOf is what an orchestration does when so much is done.
func actionOf(name string, done int) *wire.OrchestratorAction {
	a := &wire.OrchestratorAction{Id: int32(done)}
	switch {
	case name == "Parent" && done == 0:
		a.OrchestratorActionType = &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "Work", Input: wrapperspb.String(secret)}}
	case name == "Parent" && done == 1:
		a.OrchestratorActionType = &wire.OrchestratorAction_SendEntityMessage{SendEntityMessage: &wire.SendEntityMessageAction{
			EntityMessageType: &wire.SendEntityMessageAction_EntityOperationCalled{EntityOperationCalled: &wire.EntityOperationCalledEvent{
				RequestId: "6f3f1f52-2f8e-4d35-9d5e-000000000001", Operation: "add", TargetInstanceId: wrapperspb.String("@counter@a"), Input: wrapperspb.String(secret)}}}}
	case name == "Parent" && done == 2:
		a.OrchestratorActionType = &wire.OrchestratorAction_CreateSubOrchestration{CreateSubOrchestration: &wire.CreateSubOrchestrationAction{
			InstanceId: "child", Name: "Child", Version: wrapperspb.String("1.2")}}
	case name == "Child" && done == 0:
		a.OrchestratorActionType = &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "Fail", ParentTraceContext: traceparent(spanOfSDK)}}
	case name == "Child":
		a.OrchestratorActionType = &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
			OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED, FailureDetails: &wire.TaskFailureDetails{ErrorType: "Child", ErrorMessage: "no"}}}
	default:
		a.OrchestratorActionType = &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
			OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, Result: wrapperspb.String(secret)}}
	}
	return a
}

func (w *tracedWorker) start(name string) {
	w.t.Helper()
	if _, err := w.c.StartInstance(w.t.Context(), &wire.CreateInstanceRequest{
		InstanceId: strings.ToLower(name), Name: name, Input: wrapperspb.String(secret), ParentTraceContext: traceparent(spanOfStart),
	}); err != nil {
		w.t.Fatal(err)
	}
}

// stopNow stops a server, without waiting for workers, and sends its spans.
func stopNow(t *testing.T, s *running) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// goThrough runs Parent, on a server that is started again while an activity runs,
// and returns the time of that.
func goThrough(t *testing.T, w *tracedWorker) (restarted time.Time) {
	data := t.TempDir()
	kept := func(c *Config) { c.Data = data }
	s := start(t, kept)
	w.connect(s)
	w.start("Parent")
	w.run("Work")
	restarted = time.Now()
	stopNow(t, s)
	if _, err := w.work.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream of a server that has stopped: %v", err)
	}
	s = start(t, kept)
	w.connect(s)
	item := w.run("Work")
	if _, err := w.c.CompleteActivityTask(t.Context(), &wire.ActivityResponse{CompletionToken: item.CompletionToken, Result: wrapperspb.String(secret)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.CompleteActivityTask(t.Context(), &wire.ActivityResponse{CompletionToken: item.CompletionToken, Result: wrapperspb.String(secret)}); err == nil {
		t.Fatal("an activity was completed twice")
	}
	w.run("Parent")
	stopNow(t, s)
	return restarted
}

func TestWhatRemoteWorkersDoIsOneSpanEachOverARestart(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(strings.ReplaceAll(protocol, "/", " "), func(t *testing.T) {
			c := collect(t, protocol)
			t.Setenv(otlpEndpoint, c.url)
			w := &tracedWorker{t: t, told: map[string]string{}, request: &wire.GetWorkItemsRequest{}}
			restarted := goThrough(t, w)
			spans := c.named(t)
			want := map[string]string{
				"orchestration:Parent": spanOfStart, "activity:Work": "orchestration:Parent", "entity:counter:add": "orchestration:Parent",
				"orchestration:Child": "orchestration:Parent", "activity:Fail": spanOfSDK,
			}
			if got := slices.Sorted(maps.Keys(spans)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Fatalf("spans %q, want those of %v", got, want)
			}
			for name, parent := range want {
				s := spans[name]
				if p := spans[parent]; p != nil {
					parent = spanID(p)
				}
				if parentID(s) != parent {
					t.Errorf("the parent of %s is %s, want %s", name, parentID(s), want[name])
				}
				if told, ok := w.told[name]; ok && told != spanID(s) {
					t.Errorf("the worker was told that %s is span %s, it is %s", name, told, spanID(s))
				}
				checkSpan(t, s, restarted)
			}
			checkAttributes(t, spans)
		})
	}
}

// checkSpan holds what is true of every span.
func checkSpan(t *testing.T, s *spanpb.Span, restarted time.Time) {
	t.Helper()
	failed := s.Name == "orchestration:Child" || s.Name == "activity:Fail"
	if got := s.GetStatus().GetCode() == spanpb.Status_STATUS_CODE_ERROR; got != failed {
		t.Errorf("%s has failed: %v, want %v", s.Name, got, failed)
	}
	before := s.Name == "orchestration:Parent"
	if began := time.Unix(0, int64(s.StartTimeUnixNano)); began.Before(restarted) != before || time.Since(began) > time.Hour {
		t.Errorf("%s began at %v, the restart was at %v", s.Name, began, restarted)
	}
	if ended := time.Unix(0, int64(s.EndTimeUnixNano)); ended.Before(restarted) || s.EndTimeUnixNano < s.StartTimeUnixNano {
		t.Errorf("%s ended at %v, the restart was at %v", s.Name, ended, restarted)
	}
	if text := s.String(); strings.Contains(text, "secret") {
		t.Errorf("%s has a payload: %s", s.Name, text)
	}
}

func checkAttributes(t *testing.T, spans map[string]*spanpb.Span) {
	t.Helper()
	for name, want := range map[string]map[string]string{
		"orchestration:Parent": {"durabletask.type": "orchestration", "durabletask.task.name": "Parent", "durabletask.task.instance_id": "parent", "durabletask.task.status": "Completed"},
		"orchestration:Child":  {"durabletask.task.version": "1.2", "durabletask.task.instance_id": "child", "durabletask.task.status": "Failed"},
		"activity:Work":        {"durabletask.type": "activity", "durabletask.task.name": "Work", "durabletask.task.instance_id": "parent"},
		"entity:counter:add":   {"durabletask.type": "entity", "durabletask.task.name": "counter", "durabletask.task.instance_id": "@counter@a", "netherite.operation": "add"},
	} {
		got := attributes(spans[name])
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s of %s is %q, want %q", k, name, got[k], v)
			}
		}
	}
}

func TestTheServerMakesNoSpansOfAWorkerThatMakesThem(t *testing.T) {
	c := collect(t, "grpc")
	t.Setenv(otlpEndpoint, c.url)
	request := &wire.GetWorkItemsRequest{}
	extra.Put(request, &extra.Worker{Revision: 1, Traces: true})
	w := &tracedWorker{t: t, told: map[string]string{}, request: request}
	s := start(t, nil)
	w.connect(s)
	w.start("Alone")
	w.run("Alone")
	stopNow(t, s)
	if spans := c.named(t); len(spans) > 0 {
		t.Errorf("spans %v", slices.Collect(maps.Keys(spans)))
	}
	if got := w.told["orchestration:Alone"]; got != spanOfStart {
		t.Errorf("the worker was told that it was started by span %s, want %s", got, spanOfStart)
	}
}
