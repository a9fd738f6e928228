package server

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// never are the settings of a client that asks nothing by itself.
var never = keepalive.ClientParameters{Time: 1000 * time.Hour}

// quiet is a service whose streams say nothing until they end.
type quiet struct {
	wire.UnimplementedTaskHubSidecarServiceServer
	began, ended chan struct{}
}

func (quiet) Hello(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (q quiet) GetWorkItems(_ *wire.GetWorkItemsRequest, s grpc.ServerStreamingServer[wire.WorkItem]) error {
	q.began <- struct{}{}
	<-s.Context().Done()
	q.ended <- struct{}{}
	return s.Context().Err()
}

// network is a listener in memory whose connections can go dead.
type network struct {
	*bufconn.Listener
	dials atomic.Int32
	last  *deadable
}

// deadable is a connection that may stop passing anything on, without an end.
type deadable struct {
	net.Conn
	dead atomic.Bool
}

func (d *deadable) Write(b []byte) (int, error) {
	if d.dead.Load() {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

func (n *network) dial(ctx context.Context, _ string) (net.Conn, error) {
	n.dials.Add(1)
	conn, err := n.DialContext(ctx)
	n.last = &deadable{Conn: conn}
	return n.last, err
}

// bubble runs a test with a server that has our limits, in virtual time.
func bubble(t *testing.T, test func(t *testing.T, n *network, q quiet, c wire.TaskHubSidecarServiceClient), probes keepalive.ClientParameters) {
	synctest.Test(t, func(t *testing.T) {
		var config Config
		config.Limits.defaults()
		rpc, q := grpc.NewServer(config.rpcLimits()...), quiet{began: make(chan struct{}, 10), ended: make(chan struct{}, 10)}
		wire.RegisterTaskHubSidecarServiceServer(rpc, q)
		n := &network{Listener: bufconn.Listen(1 << 20)}
		served := make(chan error, 1)
		go func() { served <- rpc.Serve(n) }()
		conn, err := grpc.NewClient("passthrough:x", grpc.WithContextDialer(n.dial), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithKeepaliveParams(probes))
		if err != nil {
			t.Fatal(err)
		}
		test(t, n, q, wire.NewTaskHubSidecarServiceClient(conn))
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		rpc.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatAsksEveryTenSecondsIsNotThrownOut(t *testing.T) {
	often := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}
	bubble(t, func(t *testing.T, n *network, q quiet, c wire.TaskHubSidecarServiceClient) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		<-q.began
		for range 12 { // an hour, with a stream in which nothing happens
			<-time.After(5 * time.Minute)
			if _, err := c.Hello(t.Context(), &emptypb.Empty{}); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if _, err := w.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("the stream has ended with %v", err)
		}
		for range 6 { // and an hour without one
			<-time.After(10 * time.Minute)
			if _, err := c.Hello(t.Context(), &emptypb.Empty{}); err != nil {
				t.Fatal(err)
			}
		}
		if d := n.dials.Load(); d != 1 {
			t.Errorf("it had to connect %d times", d)
		}
	}, often)
}

func TestTheStreamOfAMachineThatIsGoneWithoutAWordEndsWithinAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, n *network, q quiet, c wire.TaskHubSidecarServiceClient) {
		if _, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{}); err != nil {
			t.Fatal(err)
		}
		<-q.began
		n.last.dead.Store(true)
		begin := time.Now()
		<-q.ended
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	}, never)
}

func TestAConnectionWithoutCallsIsGivenUpAndMadeAgainUnnoticed(t *testing.T) {
	bubble(t, func(t *testing.T, n *network, _ quiet, c wire.TaskHubSidecarServiceClient) {
		for range 2 {
			if _, err := c.Hello(t.Context(), &emptypb.Empty{}); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * idle)
		}
		if d := n.dials.Load(); d != 2 {
			t.Errorf("it connected %d times", d)
		}
	}, never)
}
