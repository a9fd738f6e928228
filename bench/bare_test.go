package bench

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// bare is a server that does nothing: each start makes it send the work items of a
// Hello5, 6 steps and 5 activities, and everything is answered at once.
type bare struct {
	wire.UnimplementedTaskHubSidecarServiceServer
	items chan *wire.WorkItem
}

const itemsOfAHello5, callsOfAHello5 = 11, 13

func (s *bare) StartInstance(context.Context, *wire.CreateInstanceRequest) (*wire.CreateInstanceResponse, error) {
	for range itemsOfAHello5 {
		s.items <- &wire.WorkItem{Request: &wire.WorkItem_ActivityRequest{ActivityRequest: &wire.ActivityRequest{
			Name: "Hello", Input: wrapperspb.String(`"Tokyo"`), TaskId: 1,
			OrchestrationInstance: &wire.OrchestrationInstance{InstanceId: bareID, ExecutionId: wrapperspb.String(bareID)},
		}}, CompletionToken: bareID}
	}
	return &wire.CreateInstanceResponse{InstanceId: bareID}, nil
}

func (s *bare) CompleteActivityTask(context.Context, *wire.ActivityResponse) (*wire.CompleteTaskResponse, error) {
	return &wire.CompleteTaskResponse{}, nil
}

func (s *bare) GetWorkItems(_ *wire.GetWorkItemsRequest, stream grpc.ServerStreamingServer[wire.WorkItem]) error {
	for item := range s.items {
		if err := stream.Send(item); err != nil {
			return err
		}
	}
	return nil
}

const bareID = "0123456789abcdef0123456789abcdef"

// BenchmarkTheCallsOfAHello5ByThemselves makes the 13 calls and sends the 11 messages of
// a Hello5 between a client, a worker and a server that does nothing, 128 at a time: what
// is left of a Hello5 through a server if gRPC is taken away. Both ends are in one
// process, which is cheaper than the three of "netherite bench --remote".
func BenchmarkTheCallsOfAHello5ByThemselves(b *testing.B) {
	s := &bare{items: make(chan *wire.WorkItem, 1<<16)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer()
	wire.RegisterTaskHubSidecarServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	client, worker := bareClient(b, l), bareClient(b, l)
	stream, err := worker.GetWorkItems(b.Context(), &wire.GetWorkItemsRequest{})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ResetTimer()
	before := CPUTime()
	var all sync.WaitGroup
	for range 128 {
		all.Go(func() {
			for range left {
				bareHello5(b, client, worker)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64((CPUTime()-before)/time.Microsecond)/float64(b.N), "cpu-us/op")
	close(s.items)
}

func bareClient(b *testing.B, l net.Listener) wire.TaskHubSidecarServiceClient {
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return wire.NewTaskHubSidecarServiceClient(c)
}

func bareHello5(b *testing.B, client, worker wire.TaskHubSidecarServiceClient) {
	_, err := client.StartInstance(b.Context(), &wire.CreateInstanceRequest{InstanceId: bareID, Name: "Hello5"})
	for n := 1; n < callsOfAHello5 && err == nil; n++ {
		_, err = worker.CompleteActivityTask(b.Context(), &wire.ActivityResponse{
			InstanceId: bareID, TaskId: 1, Result: wrapperspb.String(`"Hello Tokyo!"`), CompletionToken: bareID,
		})
	}
	if err != nil {
		b.Error(err)
	}
}
