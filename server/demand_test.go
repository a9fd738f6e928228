package server

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/httpapi"
)

func TestOnlyWorkAndWorkersMakeAHubOnDemand(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	typo := as(t.Context(), "", "typo")
	if _, err := c.Hello(typo, &emptypb.Empty{}); err != nil {
		t.Errorf("a worker that says hello, and may ask for work: %v", err)
	}
	reads := map[string]func() error{
		"get":    func() error { _, err := c.GetInstance(typo, &wire.GetInstanceRequest{InstanceId: "x"}); return err },
		"query":  func() error { _, err := c.QueryInstances(typo, &wire.QueryInstancesRequest{}); return err },
		"entity": func() error { _, err := c.GetEntity(typo, &wire.GetEntityRequest{InstanceId: "@a@b"}); return err },
		"raise": func() error {
			_, err := c.RaiseEvent(typo, &wire.RaiseEventRequest{InstanceId: "x", Name: "E"})
			return err
		},
		"end": func() error { _, err := c.TerminateInstance(typo, &wire.TerminateRequest{InstanceId: "x"}); return err },
	}
	for name, read := range reads {
		if err := read(); status.Code(err) != codes.NotFound || status.Convert(err).Message() != `"typo": there is no such task hub` {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{"/instances", "/instances/x", "/entities/a/b"} {
		if a := s.ask(t, "GET", httpapi.Base+path+"?taskHub=typo", "", nil); a.code != 404 {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
	if got := s.hubs.Names(); len(got) != 1 {
		t.Fatalf("there are %q", got)
	}
	if _, err := c.StartInstance(as(t.Context(), "", "started"), &wire.CreateInstanceRequest{Name: "F"}); err != nil {
		t.Error(err)
	}
	if _, err := c.SignalEntity(as(t.Context(), "", "signalled"), &wire.SignalEntityRequest{InstanceId: "@a@b", Name: "op"}); err != nil {
		t.Error(err)
	}
	if a := s.ask(t, "POST", httpapi.Base+"/orchestrators/F?taskHub=web", "", nil); a.code != 202 {
		t.Errorf("a start by HTTP: %d %s", a.code, a.body)
	}
	if a := s.ask(t, "POST", httpapi.Base+"/entities/a/b?op=o&taskHub=webbed", "", nil); a.code != 202 {
		t.Errorf("a signal by HTTP: %d %s", a.code, a.body)
	}
	if _, err := c.GetWorkItems(as(t.Context(), "", "worked"), &wire.GetWorkItemsRequest{}); err != nil {
		t.Error(err)
	}
	for s.hubs.count() < 6 && t.Context().Err() == nil { // the stream's begins with its first message
		if _, err := s.hubs.Hub(t.Context(), "worked"); err == nil {
			break
		}
	}
	if got := s.hubs.Names(); len(got) != 6 {
		t.Errorf("there are %q", got)
	}
	if _, err := c.Hello(as(t.Context(), "", "no/name"), &emptypb.Empty{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a name that none is: %v", err)
	}
}

func TestAHubThatIsDeletedDoesNotComeBackByAPoll(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	shop := as(t.Context(), "", "shop")
	if _, err := c.StartInstance(shop, &wire.CreateInstanceRequest{InstanceId: "x", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteTaskHub(shop, &wire.DeleteTaskHubRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetInstance(shop, &wire.GetInstanceRequest{InstanceId: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("a poll is answered %v", err)
	}
	if got := s.hubs.Names(); len(got) != 1 {
		t.Errorf("there are %q", got)
	}
}

func TestAServerWithoutItsDefaultHubSaysHowToMakeIt(t *testing.T) {
	s := start(t, func(c *Config) { c.OnDemand, c.Hub = false, "orders" })
	if len(s.log.lines("level=WARN", "hub=orders", "netherite hub create orders --server")) != 1 {
		t.Errorf("the log says %s", s.log)
	}
}
