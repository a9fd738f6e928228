package durabletask_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/durable"
)

// A Go program serves the hub that it has open to programs in other languages: a
// client of any Durable Task SDK starts what the program itself runs, and workers
// in other languages run what it does not.
func ExampleRegister() {
	greet := durable.Orchestration("Greet", func(_ *durable.Context, name string) (string, error) { return "Hello, " + name + "!", nil })
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(context.Background())

	listener, err := net.Listen("tcp", "127.0.0.1:0") // 127.0.0.1:4001 is where SDKs look
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20)) // not all SDKs split what they send
	service := durabletask.Register(server, hub)
	go server.Serve(listener)
	defer server.Stop()
	defer service.Close() // first: workers and clients that wait go

	// What an SDK's client does.
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	client, ctx := wire.NewTaskHubSidecarServiceClient(conn), context.Background()
	started, err := client.StartInstance(ctx, &wire.CreateInstanceRequest{Name: "Greet", Input: text(`"world"`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := client.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: started.GetInstanceId(), GetInputsAndOutputs: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.GetOrchestrationState().GetOutput().GetValue())
	// Output: "Hello, world!"
}
