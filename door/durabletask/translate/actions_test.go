package translate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func complete(id int32, s wire.OrchestrationStatus) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{
		CompleteOrchestration: &wire.CompleteOrchestrationAction{OrchestrationStatus: s, Result: wrapperspb.String("r")},
	}}
}

func timer(id int32) *wire.OrchestratorAction {
	return &wire.OrchestratorAction{Id: id, OrchestratorActionType: &wire.OrchestratorAction_CreateTimer{
		CreateTimer: &wire.CreateTimerAction{FireAt: Timestamp(5)},
	}}
}

func TestCompletionComesLastWhereverItStood(t *testing.T) {
	r := &engine.OrchestrationResult{}
	err := Actions(r, []*wire.OrchestratorAction{complete(-1, wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED), timer(0), timer(1)})
	want := []model.Event{
		{Kind: model.TimerCreated, ID: 0, FireAt: 5}, {Kind: model.TimerCreated, ID: 1, FireAt: 5},
		{Kind: model.ExecutionCompleted, ID: -1, Payload: []byte("r"), Ext: &model.Ext{Status: model.Completed}},
	}
	if diff := cmp.Diff(want, r.Events); diff != "" || err != nil {
		t.Errorf("%v (-want, +got):\n%s", err, diff)
	}
}

func TestActionsThatCannotBeUnderstoodAreNamed(t *testing.T) {
	completed := complete(1, wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED)
	for what, list := range map[string][]*wire.OrchestratorAction{
		"action 1: an action of a type that this server does not know": {timer(0), {Id: 1}},
		"action 1 completes the orchestration a second time":           {completed, completed},
		"action 0: there is no orchestration status 99":                {complete(0, 99)},
		"action 0: a message to an entity of a type that this server does not know": {{OrchestratorActionType: &wire.OrchestratorAction_SendEntityMessage{
			SendEntityMessage: &wire.SendEntityMessageAction{}}}},
	} {
		if err := Actions(&engine.OrchestrationResult{}, list); err == nil || err.Error() != what {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

func TestContinueAsNewKeepsVersionAndCarryover(t *testing.T) {
	a := complete(0, wire.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW)
	c := a.GetCompleteOrchestration()
	c.NewVersion = wrapperspb.String("")
	raised := model.Event{Kind: model.EventRaised, ID: -1, Name: "n", Payload: []byte("1")}
	c.CarryoverEvents = Events([]model.Event{raised})
	r := &engine.OrchestrationResult{}
	if err := Actions(r, []*wire.OrchestratorAction{a}); err != nil {
		t.Fatal(err)
	}
	x := r.Events[0].Ext
	if x.Status != model.ContinuedAsNew || x.NewVersion == nil || *x.NewVersion != "" || len(x.CarryOver) != 1 || x.CarryOver[0].Name != "n" {
		t.Errorf("%+v", x)
	}
}

func TestRewoundHistoryIsNeverNil(t *testing.T) {
	a := &wire.OrchestratorAction{OrchestratorActionType: &wire.OrchestratorAction_RewindOrchestration{RewindOrchestration: &wire.RewindOrchestrationAction{}}}
	r := &engine.OrchestrationResult{}
	if err := Actions(r, []*wire.OrchestratorAction{a}); err != nil || r.Rewound == nil {
		t.Errorf("%v, %v", r.Rewound, err)
	}
}

func TestATimerOfTheFirstMomentOf1970HasATime(t *testing.T) {
	for _, c := range []struct {
		at   *timestamppb.Timestamp
		want model.Time
	}{{&timestamppb.Timestamp{}, 1}, {&timestamppb.Timestamp{Seconds: -1}, -1e9}, {nil, 0}} {
		r := &engine.OrchestrationResult{}
		err := Actions(r, []*wire.OrchestratorAction{{OrchestratorActionType: &wire.OrchestratorAction_CreateTimer{
			CreateTimer: &wire.CreateTimerAction{FireAt: c.at},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Events[0].FireAt != c.want {
			t.Errorf("a timer at %v fires at %d, want %d", c.at, r.Events[0].FireAt, c.want)
		}
	}
}
