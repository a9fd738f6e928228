package server

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/httpapi"
)

func TestAMessageThatUnpacksToMoreThanTheLimitIsRefusedBeforeItIsWhole(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits.Message = 1 << 20 })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	q := &wire.CreateInstanceRequest{InstanceId: "i", Name: "F", Input: wrapperspb.String(strings.Repeat("x", 32<<20))} // 32 KiB on the way
	before := heap()
	_, err := c.StartInstance(t.Context(), q, grpc.UseCompressor(gzip.Name), grpc.MaxCallSendMsgSize(1<<30))
	limitedRPC(t, "a message that is packed", err, true, codes.ResourceExhausted, "1048576")
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d MB are held", grown>>20)
	}
	answer := &wire.ActivityResponse{InstanceId: "i", CompletionToken: "none", Result: q.Input}
	_, err = c.CompleteActivityTask(t.Context(), answer, grpc.UseCompressor(gzip.Name), grpc.MaxCallSendMsgSize(1<<30))
	limitedRPC(t, "an answer", err, true, codes.FailedPrecondition, "no longer this worker's") // it was read over, and is nobody's
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d MB are held by an answer", grown>>20)
	}
	q.Input.Value = q.Input.Value[:1<<19]
	_, err = c.StartInstance(t.Context(), q, grpc.UseCompressor(gzip.Name))
	limitedRPC(t, "one below the limit", err, false, codes.OK)
}

func TestNamesAndVersionsHave200Bytes(t *testing.T) {
	s := start(t, nil)
	c, ctx := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil)), t.Context()
	if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	for _, over := range []int{0, 1} {
		name := strings.Repeat("n", 200+over)
		for what, call := range inOrder(map[string]func() error{
			"an orchestration": func() error {
				_, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{Name: name})
				return err
			},
			"a version": func() error {
				_, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{Name: "F", Version: wrapperspb.String(name)})
				return err
			},
			"an event": func() error {
				_, err := c.RaiseEvent(ctx, &wire.RaiseEventRequest{InstanceId: "i", Name: name})
				return err
			},
			"an operation": func() error {
				_, err := c.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: "@e@k", Name: name})
				return err
			},
		}) {
			limitedRPC(t, what, call(), over > 0, codes.InvalidArgument, "201", "200")
		}
		for what, path := range map[string]string{
			"an orchestration": "/orchestrators/" + name, "a version": "/orchestrators/F?version=" + name,
			"an event": "/instances/i/raiseEvent/" + name, "an operation": "/entities/e/k?op=" + name,
		} {
			a := s.ask(t, "POST", httpapi.Base+path, "1", map[string]string{"Content-Type": "application/json"})
			limitedHTTP(t, what, a, over > 0, http.StatusBadRequest, "201", "200")
		}
	}
}
