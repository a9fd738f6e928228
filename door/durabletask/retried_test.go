package durabletask_test

import (
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// The Python SDK schedules a retry under the ID that the failed attempt had.
func TestTheIDOfAnActionThatIsAnsweredMayBeUsedAgain(t *testing.T) {
	hub, err := netherite.Open("retried", netherite.InMemory())
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	defer server.Stop()
	defer durabletask.Register(server, hub).Close()
	go func() { _ = server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := wire.NewTaskHubSidecarServiceClient(conn)
	work, err := client.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: "retries", Name: "Retries"}); err != nil {
		t.Fatal(err)
	}
	const attempts = 3
	failures := 0
	for failures < attempts {
		item, err := work.Recv()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case item.GetOrchestratorRequest() != nil:
			_, err = client.CompleteOrchestratorTask(t.Context(), &wire.OrchestratorResponse{
				InstanceId: "retries", CompletionToken: item.GetCompletionToken(),
				Actions: []*wire.OrchestratorAction{{Id: 1, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{
					ScheduleTask: &wire.ScheduleTaskAction{Name: "Flaky"},
				}}},
			})
		case item.GetActivityRequest() != nil:
			failures++
			_, err = client.CompleteActivityTask(t.Context(), &wire.ActivityResponse{
				InstanceId: "retries", TaskId: item.GetActivityRequest().GetTaskId(), CompletionToken: item.GetCompletionToken(),
				FailureDetails: &wire.TaskFailureDetails{ErrorType: "E", ErrorMessage: "no"},
			})
		}
		if err != nil {
			t.Fatalf("attempt %d: %v", failures+1, err)
		}
	}
	s, err := client.GetInstance(t.Context(), &wire.GetInstanceRequest{InstanceId: "retries", GetInputsAndOutputs: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.GetOrchestrationState(); got.GetOrchestrationStatus() != wire.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING {
		t.Errorf("the orchestration is %v", got)
	}
}
