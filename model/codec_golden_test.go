package model

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/events.golden; only for a new format version")

const goldenBase = Time(1_790_000_000_000_000_000)

// goldenEvents has one event of every kind with the fields it usually has.
func goldenEvents() []Event {
	v2, exec := "2", ExecutionID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	failure := &Failure{Type: "insufficient-funds", Message: "balance is 3", Stack: "main.go:7", NonRetriable: true,
		Cause: &Failure{Message: "root"}, Properties: map[string][]byte{"b": nil, "a": []byte(`1`), "c": {}}}
	parent := &Parent{Instance: "order-1", Execution: exec, Name: "Order", Version: "1", ID: 4}
	trace := &Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=b", SpanID: "b7ad6b7169203331"}
	tags := map[string]string{"team": "blue", "env": "prod"}
	in := func(e Event) Event { e.ID, e.Time = NoID, goldenBase; return e }
	out := func(id int32, e Event) Event { e.ID, e.Time = id, goldenBase; return e }
	return []Event{
		in(Event{Kind: ExecutionStarted, Name: "Hello5", Version: "1", Payload: []byte(`"x"`), FireAt: goldenBase + 5e9, Instance: "h-1", Ext: &Ext{Execution: exec, Parent: parent, Tags: tags, Trace: trace}}),
		out(9, Event{Kind: ExecutionCompleted, Payload: []byte(`["a"]`), Ext: &Ext{Status: Completed}}),
		out(9, Event{Kind: ExecutionCompleted, Failure: failure, Ext: &Ext{Status: Failed}}),
		out(9, Event{Kind: ExecutionCompleted, Payload: []byte{}, Ext: &Ext{Status: ContinuedAsNew, NewVersion: &v2, Tags: tags,
			CarryOver: []Event{in(Event{Kind: EventRaised, Name: "Approved", Payload: []byte(`true`)})}}}),
		in(Event{Kind: ExecutionTerminated, Payload: []byte(`"stop"`), Ext: &Ext{Recurse: true}}),
		out(0, Event{Kind: TaskScheduled, Name: "SayHello", Payload: []byte(`"Seattle"`)}),
		out(1, Event{Kind: TaskScheduled, Name: "Charge", Version: "3", Payload: []byte(`{"amount":12}`), Ext: &Ext{Tags: tags, Trace: trace, Call: 2, Attempt: 3, Timeout: 30e9, AfterCommit: true}}),
		in(Event{Kind: TaskCompleted, Ref: 1, Payload: []byte(`"Hello Seattle!"`)}),
		in(Event{Kind: TaskFailed, Ref: 1, Failure: failure}),
		out(2, Event{Kind: ChildCreated, Name: "Divide", Version: "1", Instance: "h-1:2", Payload: []byte(`{}`), FireAt: goldenBase + 1}),
		in(Event{Kind: ChildCompleted, Ref: 2, Payload: []byte(`[1]`)}),
		in(Event{Kind: ChildFailed, Ref: 2, Failure: failure}),
		out(3, Event{Kind: TimerCreated, FireAt: goldenBase + 3600e9}),
		in(Event{Kind: TimerFired, Ref: 3, FireAt: goldenBase + 3600e9, Time: goldenBase}),
		in(Event{Kind: OrchestratorStarted}),
		in(Event{Kind: OrchestratorCompleted}),
		out(4, Event{Kind: EventSent, Instance: "h-2", Name: "Approved", Payload: []byte(`true`)}),
		in(Event{Kind: EventRaised, Name: "Approved", Payload: []byte(`true`)}),
		in(Event{Kind: GenericEvent, Payload: []byte("note")}),
		in(Event{Kind: HistoryState}),
		in(Event{Kind: ContinuedAsNewEvent, Payload: []byte(`1`)}),
		in(Event{Kind: ExecutionSuspended, Payload: []byte("audit")}),
		in(Event{Kind: ExecutionResumed}),
		out(5, Event{Kind: EntitySignaled, Instance: "@account@a", Name: "Add", RequestID: "r1", Payload: []byte(`-5`), FireAt: goldenBase + 60e9, Ext: &Ext{Parent: parent}}),
		out(6, Event{Kind: EntityCalled, Instance: "@account@a", Name: "Get", RequestID: "r2"}),
		in(Event{Kind: EntityResponded, RequestID: "r2", Payload: []byte(`7`)}),
		in(Event{Kind: EntityOperationFailed, RequestID: "r2", Failure: failure}),
		out(7, Event{Kind: EntityLockRequested, RequestID: "s1", Ext: &Ext{LockSet: []string{"@account@a", "@account@b"}, Position: 1, Parent: parent}}),
		in(Event{Kind: EntityLockGranted, RequestID: "s1", Ext: &Ext{LockSet: []string{"@account@a", "@account@b"}}}),
		out(8, Event{Kind: EntityUnlockSent, RequestID: "s1", Instance: "@account@a"}),
		in(Event{Kind: ExecutionRewound, Payload: []byte("again")}),
		out(10, Event{Kind: MarkerRecorded, Name: "patch:fees"}),
		{Kind: 200, ID: 1, Ref: 2, Time: 3, FireAt: 4, Name: "a kind of tomorrow"},
	}
}

// TestEncodingNeverChanges compares with the bytes that earlier versions wrote:
// data on disk is read for ever.
func TestEncodingNeverChanges(t *testing.T) {
	const file = "testdata/events.golden"
	events := goldenEvents()
	if *update {
		var out strings.Builder
		for i := range events {
			fmt.Fprintf(&out, "%-20s %x\n", fmt.Sprintf("%d", events[i].Kind), AppendEvent(nil, &events[i], goldenBase))
		}
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(golden))
	lines.Buffer(nil, 1<<20)
	i := 0
	for ; lines.Scan(); i++ {
		if i >= len(events) {
			t.Fatalf("%s has more lines than there are events (%d)", file, len(events))
		}
		want, err := hex.DecodeString(strings.Fields(lines.Text())[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendEvent(nil, &events[i], goldenBase); !bytes.Equal(got, want) {
			t.Errorf("%s:%d: %v encodes as\n%x, not as\n%x", file, i+1, events[i].Kind, got, want)
		}
		e, err := DecodeEvent(NewReader(want), goldenBase)
		if err != nil || !reflect.DeepEqual(e, events[i]) {
			t.Errorf("%s:%d: decodes to %+v (%v), not %+v", file, i+1, e, err, events[i])
		}
	}
	if i != len(events) {
		t.Errorf("%s has %d lines, want %d", file, i, len(events))
	}
}

func TestGoldenHasEveryKind(t *testing.T) {
	seen := map[Kind]bool{}
	for _, e := range goldenEvents() {
		seen[e.Kind] = true
	}
	for n := range 256 {
		if k := Kind(n); k.Valid() && !seen[k] {
			t.Errorf("no golden bytes for %v", k)
		}
	}
}
