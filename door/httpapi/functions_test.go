package httpapi

import (
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/model"
)

func TestTheTraceOfARequestIsThatOfItsHeaders(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for parent, want := range map[string]*model.Trace{
		good:             {Parent: good, SpanID: "b7ad6b7169203331", State: "a=1,b=2"},
		"":               nil,
		"ff" + good[2:]:  nil,
		good + "-more":   nil,
		"00-0af7-b7-01":  nil,
		" " + good + " ": nil,
		"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01": nil,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["Traceparent"] = []string{parent}
		r.Header["Tracestate"] = []string{"a=1", "b=2"}
		if diff := cmp.Diff(want, (&call{r: r}).trace()); diff != "" {
			t.Errorf("%q (-want, +got):\n%s", parent, diff)
		}
	}
}

func TestTheHistoryHasOnlyEventsThatDurableFunctionsHas(t *testing.T) {
	list := []model.Event{
		{Kind: model.OrchestratorStarted}, {Kind: model.ExecutionStarted, Name: "f"}, {Kind: model.MarkerRecorded, Name: "m"}, {Kind: model.TaskScheduled, Name: "a"},
		{Kind: model.OrchestratorStarted}, {Kind: model.TaskCompleted}, {Kind: model.ExecutionCompleted},
	}
	var shown []any
	for _, e := range history(list, detail{}) {
		shown = append(shown, e["EventType"])
	}
	if diff := cmp.Diff([]any{"ExecutionStarted", "TaskCompleted", "ExecutionCompleted"}, shown); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
}
