package translate

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	ours "github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// histories have all events that are encoded at once, in all forms, and others.
func histories() [][]model.Event {
	long := make([]byte, 70_000)
	for i := range long {
		long[i] = 'a' + byte(i%26)
	}
	var lists [][]model.Event
	for _, payload := range [][]byte{nil, {}, []byte(`"x"`), {0xff, 1}, long[:100], long[:130], long[:20_000], long} {
		for _, ext := range []*model.Ext{nil, {Call: 3}, {Attempt: 2, Timeout: 5}, {AfterCommit: true}, {Tags: map[string]string{"a": "b", "c": "d"}}, {Trace: &model.Trace{Parent: "00-1"}}} {
			for _, version := range []string{"", "1.0", "\xff"} {
				started := model.Ext{Execution: model.ExecutionID{1, 2, 3}}
				if ext != nil {
					started.Tags, started.Trace = ext.Tags, ext.Trace
				}
				lists = append(lists, []model.Event{
					{Kind: model.OrchestratorStarted, ID: model.NoID, Time: 1_700_000_000_123_456_789},
					{Kind: model.ExecutionStarted, ID: model.NoID, Time: -5, Name: "N", Version: version, Instance: "i", Payload: payload, Ext: &started},
					{Kind: model.TaskScheduled, ID: 0, Time: 1_000_000_000, Name: "T", Version: version, Payload: payload, Ext: ext},
					{Kind: model.TaskScheduled, ID: 2_000_000_000, Time: 7, Name: "T\xfe", Payload: payload, Ext: ext},
					{Kind: model.TaskCompleted, ID: model.NoID, Ref: 300, Payload: payload},
					{Kind: model.TimerCreated, ID: 3, Time: 9, FireAt: 10, Name: "retried", Ext: &model.Ext{Attempt: 2}},
					{Kind: model.MarkerRecorded, ID: 4, Time: 9, Name: "changed"},
				})
			}
		}
	}
	return lists
}

func TestEventsAreEncodedAtOnceToWhatTheirMessagesWouldBe(t *testing.T) {
	for _, list := range histories() {
		for _, whole := range []bool{false, true} {
			said := NewHistory("i", model.ExecutionID{1})
			want := &wire.HistoryChunk{Events: said.Say(list)}
			if whole {
				want.Events = said.SayWhole(list)
			}
			h := NewHistory("i", model.ExecutionID{1})
			got := &wire.HistoryChunk{}
			if err := proto.Unmarshal(h.Append(nil, 1, list, whole), got); err != nil {
				t.Fatalf("%+v: %v", list, err)
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || h.LastID != said.LastID {
				t.Fatalf("(-said, +encoded):\n%s", diff)
			}
		}
	}
}

func TestItemsAreEncodedAtOnceToWhatTheirMessagesWouldBe(t *testing.T) {
	x := &ours.Item{Call: 1, Name: &ours.Name{Epoch: 1, Number: 2}}
	for _, input := range [][]byte{nil, {}, []byte("1"), {0xff}} {
		i := &engine.ActivityItem{Instance: "i", Execution: model.ExecutionID{9}, Task: 4, Name: "A", Version: "2", Input: input}
		want := ActivityRequest(i)
		ours.Put(want, x)
		b, ok := AppendActivity(nil, 2, i, x)
		got := &wire.WorkItem{}
		if err := proto.Unmarshal(b, got); err != nil || !ok {
			t.Fatal(err, ok)
		}
		if diff := cmp.Diff(want, got.GetActivityRequest(), protocmp.Transform()); diff != "" {
			t.Errorf("(-said, +encoded):\n%s", diff)
		}
	}
	if _, ok := AppendActivity(nil, 2, &engine.ActivityItem{Name: "A", Tags: map[string]string{"a": "b"}}, nil); ok {
		t.Error("an activity with tags was encoded without them")
	}
	for _, execution := range []model.ExecutionID{{}, {7}} {
		i := &engine.OrchestrationItem{Instance: "i", Execution: execution}
		list := []model.Event{{Kind: model.OrchestratorStarted, ID: model.NoID, Time: 5}}
		want := &wire.OrchestratorRequest{
			InstanceId: "i", ExecutionId: Payload([]byte(execution.String())), NewEvents: Events(list),
			EntityParameters: &wire.OrchestratorEntityParameters{EntityMessageReorderWindow: durationpb.New(0)},
		}
		got := &wire.WorkItem{}
		if err := proto.Unmarshal(AppendStep(nil, 1, i, nil, func(b []byte) []byte { return NewHistory("i", execution).Append(b, 4, list, false) }), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.GetOrchestratorRequest(), protocmp.Transform()); diff != "" {
			t.Errorf("(-said, +encoded):\n%s", diff)
		}
	}
}
