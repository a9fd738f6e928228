package java_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
)

const besideCase = "workers: those of this SDK, which has no entities, do not hold up those of others"

// This SDK drops operations on entities without a word.
func TestAJavaWorkerDoesNotHoldUpEntities(t *testing.T) {
	s := sdktest.Start(t)
	cmd := program(t, nil, suite(t), "e2e.Serve", port(t, s.GRPC))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := func(id string) { // by the Java worker, the only one that has the code
		t.Helper()
		q := &wire.CreateInstanceRequest{InstanceId: id, Name: "serve", Input: wrapperspb.String(`"` + id + `"`)}
		if _, err := c.StartInstance(ctx, q); err != nil {
			t.Fatal(err)
		}
		r, err := c.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: id})
		if err != nil || r.GetOrchestrationState().GetOrchestrationStatus() != wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED {
			t.Fatalf("%v, %v", r, err)
		}
	}
	serve("before") // it is connected
	for _, id := range []string{"@counter@a", "@counter@b", "@other@a"} {
		if _, err := c.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: id, Name: "add"}); err != nil {
			t.Fatal(err)
		}
	}
	serve("meanwhile") // it has had the time to take them
	stream, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{
		Entities: []*wire.EntityFilter{{Name: "counter"}, {Name: "other"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		item, err := stream.Recv()
		if err != nil {
			t.Fatalf("operations that the Java worker was offered do not come: %v", err)
		}
		if _, err := c.CompleteEntityTask(ctx, &wire.EntityBatchResult{
			CompletionToken: item.GetCompletionToken(), EntityState: wrapperspb.String("1"),
			Results: []*wire.OperationResult{{ResultType: &wire.OperationResult_Success{Success: &wire.OperationResultSuccess{}}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	serve("after")
	record(t, []sdktest.Case{{Test: besideCase, OK: true}})
}
