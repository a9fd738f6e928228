package server

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/httpapi"
)

// A server that stops does not wait for messages and bodies of which nobody knows when they
// come: else whoever began one and sent nothing could have it stop without closing its
// hubs.
func TestAStopDoesNotWaitForMessagesThatDoNotCome(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *running){
		"gRPC": func(t *testing.T, s *running) {
			conn := s.dial(t, nil)
			_, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, wire.TaskHubSidecarService_StartInstance_FullMethodName)
			if err == nil { // what comes after it on the connection is answered
				_, err = wire.NewTaskHubSidecarServiceClient(conn).Hello(t.Context(), &emptypb.Empty{})
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"HTTP": func(t *testing.T, s *running) {
			conn, err := net.Dial("tcp", s.Place().HTTP)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			_, err = io.WriteString(conn, "POST "+httpapi.Base+"/orchestrators/F HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != nil { // it reads the body
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			begin(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.Stop(ctx); err != nil || ctx.Err() != nil {
				t.Errorf("%v, %v", err, ctx.Err())
			}
		})
	}
}
