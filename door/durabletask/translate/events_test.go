package translate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

var (
	execution = model.ExecutionID{1, 2, 3, 15: 4}
	failure   = &model.Failure{
		Type: "T", Message: "m", Stack: "at f", NonRetriable: true, Properties: map[string][]byte{"n": []byte("1"), "o": []byte(`{"a":[true,null,"x"]}`)},
		Cause: &model.Failure{Type: "C", Message: "c"},
	}
	trace      = &model.Trace{Parent: "00-1", State: "s", SpanID: "1"}
	someTags   = map[string]string{"k": "v"}
	some, none = []byte("p"), []byte{}
)

// events has one event of each kind, with all that the protocol says of it.
var events = []model.Event{
	{Kind: model.ExecutionStarted, ID: -1, Name: "n", Version: "v", Payload: some, FireAt: 5, Instance: "i", Ext: &model.Ext{
		Execution: execution, Tags: someTags, Trace: trace, Parent: &model.Parent{Instance: "p", Execution: execution, Name: "n", Version: "v", ID: 7}}},
	{Kind: model.ExecutionCompleted, ID: 3, Payload: some, Failure: failure, Ext: &model.Ext{Status: model.Failed}},
	{Kind: model.ExecutionTerminated, ID: -1, Payload: none, Ext: &model.Ext{Recurse: true}},
	{Kind: model.TaskScheduled, ID: 1, Name: "n", Version: "v", Payload: some, Ext: &model.Ext{Tags: someTags, Trace: trace}},
	{Kind: model.TaskCompleted, ID: -1, Ref: 1, Payload: none},
	{Kind: model.TaskFailed, ID: -1, Ref: 1, Failure: failure},
	{Kind: model.ChildCreated, ID: 2, Name: "n", Version: "v", Instance: "c", Payload: some, Ext: &model.Ext{Tags: someTags, Trace: trace}},
	{Kind: model.ChildCompleted, ID: -1, Ref: 2, Payload: some},
	{Kind: model.ChildFailed, ID: -1, Ref: 2, Failure: failure},
	{Kind: model.TimerCreated, ID: 4, FireAt: 5},
	{Kind: model.TimerFired, ID: -1, Ref: 4, FireAt: 5},
	{Kind: model.OrchestratorStarted, ID: -1},
	{Kind: model.OrchestratorCompleted, ID: -1},
	{Kind: model.EventSent, ID: 5, Instance: "i", Name: "n", Payload: some},
	{Kind: model.EventRaised, ID: -1, Name: "n", Payload: none},
	{Kind: model.GenericEvent, ID: -1, Payload: some},
	{Kind: model.ContinuedAsNewEvent, ID: -1, Payload: some},
	{Kind: model.ExecutionSuspended, ID: -1, Payload: some},
	{Kind: model.ExecutionResumed, ID: -1, Payload: some},
	{Kind: model.ExecutionRewound, ID: -1, Payload: some},
	{Kind: model.EntitySignaled, ID: 6, Instance: "@e@k", Name: "op", RequestID: "r", Payload: some, FireAt: 5},
	{Kind: model.EntityCalled, ID: 7, Instance: "@e@k", Name: "op", RequestID: "r", Payload: some, FireAt: 5},
	{Kind: model.EntityResponded, ID: -1, RequestID: "r", Payload: some},
	{Kind: model.EntityOperationFailed, ID: -1, RequestID: "r", Failure: failure},
	{Kind: model.EntityLockRequested, ID: 8, RequestID: "s", Ext: &model.Ext{LockSet: []string{"@e@a", "@e@b"}, Position: 1}},
	{Kind: model.EntityLockGranted, ID: -1, RequestID: "s"},
	{Kind: model.EntityUnlockSent, ID: 9, RequestID: "s", Instance: "@e@a"},
}

func TestEveryEventSurvivesTheWay(t *testing.T) {
	seen := map[model.Kind]bool{}
	for _, e := range events {
		e.Time = 9
		seen[e.Kind] = true
		got, err := ToEvent(Event(&e))
		if err != nil {
			t.Errorf("%s: %v", e.Kind, err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%s (-sent, +received):\n%s", e.Kind, diff)
		}
	}
	for k := model.Kind(0); k < 255; k++ {
		said := k == model.MarkerRecorded || k == model.HistoryState // the protocol has no words for these
		if k.Valid() && !seen[k] && !said {
			t.Errorf("no event is of kind %s", k)
		}
	}
}

func TestWhatIsNoTextIsShownAllTheSame(t *testing.T) {
	e := Event(&model.Event{Kind: model.EventRaised, Name: "a\xff", Payload: []byte{0xfe, 'b'}})
	if r := e.GetEventRaised(); r.GetName() != "a\uFFFD" || r.GetInput().GetValue() != "data:application/octet-stream;base64,/mI=" {
		t.Errorf("%q, %q", r.GetName(), r.GetInput().GetValue())
	}
}

// TestPayloadsThatAreNoTextComeBack: the codec of a Go program may make any bytes.
func TestPayloadsThatAreNoTextComeBack(t *testing.T) {
	for _, p := range []string{"\xfe", "\xff\x00b", "text", "data:application/octet-stream;base64,", "data:application/octet-stream;base64,YQ==", "data:application/octet-stream;base64,/mI"} {
		if got := Bytes(Payload([]byte(p))); string(got) != p {
			t.Errorf("%q became %q", p, got)
		}
	}
}

func TestAbsentAndEmptyPayloadsStayApart(t *testing.T) {
	for _, p := range [][]byte{nil, {}} {
		got := Bytes(Payload(p))
		if (got == nil) != (p == nil) || len(got) != 0 {
			t.Errorf("%#v became %#v", p, got)
		}
	}
}

func TestEventsOfUnknownTypesAreRefused(t *testing.T) {
	for _, h := range []*wire.HistoryEvent{nil, {}, {EventType: &wire.HistoryEvent_HistoryState{}}} {
		if e, err := ToEvent(h); err == nil {
			t.Errorf("%v became %+v", h, e)
		}
	}
}

func TestStatusesAreNumberedAsInTheProtocol(t *testing.T) {
	for _, s := range model.Statuses() {
		got, ok := ToStatus(Status(s))
		if !ok || got != s {
			t.Errorf("%s became %s, %v", s, got, ok)
		}
		if want := "ORCHESTRATION_STATUS_"; len(Status(s).String()) <= len(want) {
			t.Errorf("%s has no name in the protocol", s)
		}
	}
	if _, ok := ToStatus(99); ok {
		t.Error("there is a status 99")
	}
}
