package server

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

// caller is somebody with or without rights in the hub "orders".
type caller struct {
	name  string
	token string
	role  gate.Role // in the hub; None if it has none there
	known bool      // the server knows who it is
}

// callers are one of each kind, and what the server has to know of them.
func callers(t *testing.T) (list []caller, keys []gate.Key) {
	add := func(name string, role gate.Role, roles map[string]gate.Role) {
		token, entry := key(t, name, roles)
		list, keys = append(list, caller{name, token, role, true}), append(keys, entry)
	}
	for r := gate.Reader; r <= gate.Admin; r++ {
		add(r.String(), r, map[string]gate.Role{"orders": r})
	}
	add("wrong-hub", gate.None, map[string]gate.Role{"default": gate.Admin, "other": gate.Admin})
	add("everywhere", gate.Admin, map[string]gate.Role{gate.Everywhere: gate.Admin})
	stranger, _ := key(t, "admin", nil) // a key of a name that is known, but another one
	return append(list, caller{name: "nobody"}, caller{name: "stranger", token: stranger}, caller{name: "nonsense", token: "x"}), keys
}

func TestACallThatNamesNoHubIsForTheDefaultOne(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"default": gate.Reader})
	other, otherEntry := key(t, "b", map[string]gate.Role{"orders": gate.Admin})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry, otherEntry} })
	client := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	if _, err := client.GetInstance(as(t.Context(), token, ""), &wire.GetInstanceRequest{InstanceId: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := client.GetInstance(as(t.Context(), other, ""), &wire.GetInstanceRequest{InstanceId: "x"}); status.Code(err) != codes.PermissionDenied {
		t.Error(err)
	}
	if a := s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": token}); a.code != http.StatusOK {
		t.Error(a)
	}
	if a := s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": other}); a.code != http.StatusForbidden {
		t.Error(a)
	}
}

func TestTheHubThatIsCheckedIsTheOneThatIsUsed(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"mine": gate.Admin})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	header := map[string]string{"Authorization": token}
	for range 50 { // whichever of two names is taken, it must be the same both times
		a := s.ask(t, "POST", httpapi.Base+"/orchestrators/F?taskHub=mine&TaskHub=theirs&taskhub=theirs", "", header)
		if a.code != http.StatusAccepted && a.code != http.StatusForbidden && a.code != http.StatusBadRequest {
			t.Fatalf("%+v", a)
		}
	}
	for _, name := range s.hubs.Names() {
		if name != "mine" && name != "default" {
			t.Errorf("a caller who may use hub mine only has made hub %s", name)
		}
	}
}

// naming are the ways to name task hubs in the two headers of remote calls: none, one
// of two, an empty one, and several values of each.
func naming() (list []map[string][]string) {
	values := [][]string{nil, {"mine"}, {"theirs"}, {""}, {" theirs "}, {"mine", "theirs"}, {"theirs", "mine"}, {"", "theirs"}, {"theirs", ""}, {"mine", "mine", "theirs"}}
	for _, a := range values {
		for _, b := range values {
			list = append(list, map[string][]string{"taskhub": a, "durable-taskhub": b})
		}
	}
	return list
}

func TestTheHubThatIsCheckedIsTheOneThatACallIsMadeIn(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"mine": gate.Admin})
	other, otherEntry := key(t, "b", map[string]gate.Role{"theirs": gate.Admin})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry, otherEntry} })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	begin := func(ctx context.Context, id string) error {
		_, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: id, Name: "F"})
		return err
	}
	theirs := as(t.Context(), other, "theirs")
	if err := begin(theirs, "secret"); err != nil {
		t.Fatal(err)
	}
	made := 0
	for i, headers := range naming() {
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.Join(headers, metadata.Pairs("authorization", token)))
		switch a, err := c.GetInstance(ctx, &wire.GetInstanceRequest{InstanceId: "secret"}); {
		case a.GetExists():
			t.Errorf("%v: a caller who may use hub mine only reads in theirs", headers)
		case err != nil && status.Code(err) != codes.PermissionDenied && status.Code(err) != codes.NotFound:
			t.Errorf("%v: %v", headers, err)
		}
		if err := begin(ctx, fmt.Sprint("i", i)); err == nil {
			made++
		} else if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%v: %v", headers, err)
		}
	}
	list, err := c.QueryInstances(theirs, &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{}})
	if err != nil || len(list.GetOrchestrationState()) != 1 {
		t.Errorf("hub theirs has %v, %v; a caller who may use hub mine only was there", list.GetOrchestrationState(), err)
	}
	list, err = c.QueryInstances(as(t.Context(), token, "mine"), &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{}})
	if err != nil || made == 0 || len(list.GetOrchestrationState()) != made {
		t.Errorf("hub mine has %d instances, %v; %d were started there", len(list.GetOrchestrationState()), err, made)
	}
}

func TestWhoIsRefusedLearnsNothingOfWhatThereIs(t *testing.T) {
	_, entry := key(t, "a", map[string]gate.Role{"default": gate.Reader})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	for _, path := range []string{"/", "/x", httpapi.Base + "/instances", httpapi.Base + "/nothing", httpapi.Base + "/instances?taskHub=none"} {
		if a := s.ask(t, "GET", path, "", nil); a.code != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %+v", path, a)
		}
	}
	for _, path := range []string{"/readyz", "/healthz"} {
		if a := s.ask(t, "GET", path, "", nil); a.code != http.StatusOK {
			t.Errorf("%s: %+v", path, a)
		}
	}
	conn := s.dial(t, nil)
	for _, name := range []string{"/TaskHubSidecarService/Nothing", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"} {
		if err := conn.Invoke(t.Context(), name, &wire.GetInstanceRequest{}, &wire.GetInstanceResponse{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallThatNoServerHasIsUnimplementedForThoseWhoMayComeIn(t *testing.T) {
	s := start(t, nil)
	err := s.dial(t, nil).Invoke(t.Context(), "/TaskHubSidecarService/Later", &wire.GetInstanceRequest{}, &wire.GetInstanceResponse{})
	if status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
}
