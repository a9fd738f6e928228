package durabletask_test

import (
	"runtime"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask/wire"
)

const startedIn = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// openTraced opens a rig whose spans are recorded.
func openTraced(t *testing.T) (*rig, *tracetest.InMemoryExporter) {
	t.Helper()
	recorder := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(recorder), sdktrace.WithIDGenerator(netherite.SpanIDs()))
	return open(t, netherite.Tracer(p)), recorder
}

// startTraced starts an orchestration in a trace.
func (r *rig) startTraced(id, name string) {
	r.t.Helper()
	r.start(id, name, func(q *wire.CreateInstanceRequest) { q.ParentTraceContext = &wire.TraceContext{TraceParent: startedIn} })
}

// statusIn is that of an orchestration's span.
func statusIn(s *tracetest.SpanStub) string {
	n := slices.IndexFunc(s.Attributes, func(a attribute.KeyValue) bool { return a.Key == "durabletask.task.status" })
	if n < 0 {
		return ""
	}
	return s.Attributes[n].Value.AsString()
}

// TestARewindHasASpanOfItsOwnUnderTheSameParent: the worker hands in the history as
// it was told, in which our span has started the orchestration.
func TestARewindHasASpanOfItsOwnUnderTheSameParent(t *testing.T) {
	r, recorder := openTraced(t)
	w := r.work(everything())
	r.startTraced("x", "Tour")
	w.answer(w.step("x"), failing(0, &wire.TaskFailureDetails{ErrorMessage: "bad"}))
	r.ended("x", failed)
	r.must(r.RewindInstance(r.ctx, &wire.RewindInstanceRequest{InstanceId: "x"}))
	step := w.step("x")
	q := step.GetOrchestratorRequest()
	history := slices.DeleteFunc(slices.Concat(q.GetPastEvents(), q.GetNewEvents()), func(e *wire.HistoryEvent) bool { return e.GetExecutionCompleted() != nil })
	w.answer(step, rewindTo(history))
	w.answer(w.step("x"), end(1, "done"))
	r.ended("x", completed)
	spans := recorder.GetSpans()
	if len(spans) != 2 || statusIn(&spans[0]) != "Failed" || statusIn(&spans[1]) != "Completed" {
		t.Fatalf("spans %+v", spans)
	}
	for _, s := range spans {
		if s.Parent.SpanID().String() != startedIn[36:52] {
			t.Errorf("the parent is %s, want that of the start", s.Parent.SpanID())
		}
	}
	if spans[0].SpanContext.SpanID() == spans[1].SpanContext.SpanID() {
		t.Error("both spans have the same ID")
	}
}

// TestWorkThatIsGivenBackIsOneSpan: what comes again has the same ID, and only what
// ends is exported.
func TestWorkThatIsGivenBackIsOneSpan(t *testing.T) {
	r, recorder := openTraced(t)
	w := r.work(everything())
	r.startTraced("x", "Tour")
	step := w.step("x")
	r.must(r.AbandonTaskOrchestratorWorkItem(r.ctx, &wire.AbandonOrchestrationTaskRequest{CompletionToken: step.GetCompletionToken()}))
	w.answer(w.step("x"), schedule(0, "A", ""))
	first := w.task("A")
	r.must(r.AbandonTaskActivityWorkItem(r.ctx, &wire.AbandonActivityTaskRequest{CompletionToken: first.GetCompletionToken()}))
	second := w.task("A")
	if a, b := first.GetActivityRequest().GetParentTraceContext().GetTraceParent(), second.GetActivityRequest().GetParentTraceContext().GetTraceParent(); a != b || a == "" {
		t.Errorf("the activity is given in %q, then in %q", a, b)
	}
	w.did(second, "a")
	w.answer(w.step("x"), call(1, "@e@1", "op", ""))
	b := w.batch("@e@1")
	r.must(r.AbandonTaskEntityWorkItem(r.ctx, &wire.AbandonEntityTaskRequest{CompletionToken: b.GetCompletionToken()}))
	w.applied(w.batch("@e@1"), "1", "ra")
	w.answer(w.step("x"), end(2, "done"))
	r.ended("x", completed)
	var names []string
	for _, s := range recorder.GetSpans() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if want := []string{"activity:A", "entity:e:op", "orchestration:Tour"}; !slices.Equal(names, want) {
		t.Errorf("spans %q, want %q", names, want)
	}
}

// TestWhatIsTerminatedHasASpanAboveItsWork: no worker ends it.
func TestWhatIsTerminatedHasASpanAboveItsWork(t *testing.T) {
	r, recorder := openTraced(t)
	w := r.work(everything())
	r.startTraced("x", "Tour")
	w.answer(w.step("x"), schedule(0, "A", ""))
	w.did(w.task("A"), "a")
	w.answer(w.step("x"))
	r.must(r.TerminateInstance(r.ctx, &wire.TerminateRequest{InstanceId: "x"}))
	r.ended("x", terminated)
	for len(recorder.GetSpans()) < 2 && r.ctx.Err() == nil {
		runtime.Gosched()
	}
	spans := recorder.GetSpans()
	if len(spans) != 2 || statusIn(&spans[1]) != "Terminated" || spans[1].Parent.SpanID().String() != startedIn[36:52] {
		t.Fatalf("spans %+v", spans)
	}
	if above := spans[0].Parent.SpanID(); above != spans[1].SpanContext.SpanID() {
		t.Errorf("the activity is below %s, the orchestration's span is %s", above, spans[1].SpanContext.SpanID())
	}
}

// TestAnUntracedStartBeginsATraceThatItsWorkIsIn: the whole trace is the same for
// every step.
func TestAnUntracedStartBeginsATraceThatItsWorkIsIn(t *testing.T) {
	r, recorder := openTraced(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "A", ""))
	w.did(w.task("A"), "a")
	w.answer(w.step("x"), end(1, "done"))
	r.ended("x", completed)
	spans := recorder.GetSpans()
	if len(spans) != 2 {
		t.Fatalf("spans %+v", spans)
	}
	activity, whole := spans[0], spans[1]
	if whole.Parent.IsValid() || activity.Parent.SpanID() != whole.SpanContext.SpanID() || activity.SpanContext.TraceID() != whole.SpanContext.TraceID() {
		t.Errorf("%s %v in %v, %s %v in %v", activity.Name, activity.SpanContext, activity.Parent, whole.Name, whole.SpanContext, whole.Parent)
	}
}
