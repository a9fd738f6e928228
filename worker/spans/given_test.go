package spans

import (
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var given = &engine.OrchestrationItem{
	Instance: "i", Name: "F", Execution: model.ExecutionID{1}, Now: model.Time(time.Hour),
	NewEvents: []model.Event{{Kind: model.ExecutionStarted, ID: model.NoID, Ext: &model.Ext{Trace: &model.Trace{Parent: parent, State: "vendor=value"}}}},
}

// TestWhatIsGivenIsToldOfOneSpanWhateverMakesTheIDs: without IDs, what is exported
// has another one, and a link to what was told.
func TestWhatIsGivenIsToldOfOneSpanWhateverMakesTheIDs(t *testing.T) {
	var told []model.Trace
	for _, with := range [][]sdktrace.TracerProviderOption{{sdktrace.WithIDGenerator(IDs{})}, {}} {
		recorder := tracetest.NewInMemoryExporter()
		tracer := New(sdktrace.NewTracerProvider(append(with, sdktrace.WithSyncer(recorder))...))
		for range 2 {
			e := tracer.Given(given, nil)
			told = append(told, *e.Trace())
			if e.Parent().Parent != parent {
				t.Errorf("it was started in %v", e.Parent())
			}
			tracer.EndExecution(e, given, model.Completed, nil, time.Now())
		}
		for _, s := range recorder.GetSpans() {
			same := s.SpanContext.SpanID().String() == told[0].SpanID
			if linked := len(s.Links) == 1 && s.Links[0].SpanContext.SpanID().String() == told[0].SpanID; same != (len(with) > 0) || linked == same {
				t.Errorf("span %s with links %v, told %s", s.SpanContext.SpanID(), s.Links, told[0].SpanID)
			}
			if s.Parent.SpanID().String() != parent[36:52] || s.StartTime.Unix() != 3600 {
				t.Errorf("the parent is %v, the begin %v", s.Parent, s.StartTime)
			}
		}
	}
	for _, other := range told[1:] {
		if other != told[0] {
			t.Errorf("told %+v, then %+v", told[0], other)
		}
	}
	if told[0].State != "vendor=value" || told[0].Parent[:36] != parent[:36] || told[0].Parent[36:52] != told[0].SpanID {
		t.Errorf("told %+v", told[0])
	}
}

func TestAStepWithoutABeginningHasNoSpan(t *testing.T) {
	tracer := New(sdktrace.NewTracerProvider())
	if e := tracer.Given(&engine.OrchestrationItem{Instance: "i"}, nil); e != nil {
		t.Errorf("span %+v", e)
	}
}

func TestActivitiesOfTheSameTaskHaveSpansOfTheirOwn(t *testing.T) {
	tracer := New(sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(IDs{})))
	id := func(number uint64) string {
		item := &engine.ActivityItem{Instance: "i", Name: "A", Execution: model.ExecutionID{1}, Token: engine.Token{Name: engine.Name{Epoch: 1, Number: number}}}
		return tracer.GivenActivity(item, time.Now()).Trace().SpanID
	}
	first, again, other := id(1), id(1), id(2)
	if first != again || first == other {
		t.Errorf("spans %s, %s, and of another attempt %s", first, again, other)
	}
}
