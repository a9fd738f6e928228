package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

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

// rpcs are all remote calls.
func rpcs(t *testing.T) protoreflect.MethodDescriptors {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName("TaskHubSidecarService")
	if err != nil {
		t.Fatal(err)
	}
	return d.(protoreflect.ServiceDescriptor).Methods()
}

// call makes a remote call with an empty message, and returns its error. A stream
// is read once.
func call(ctx context.Context, t *testing.T, conn *grpc.ClientConn, m protoreflect.MethodDescriptor) error {
	t.Helper()
	message := func(d protoreflect.MessageDescriptor) proto.Message {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
		if err != nil {
			t.Fatal(err)
		}
		return mt.New().Interface()
	}
	name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	if !m.IsStreamingServer() {
		return conn.Invoke(ctx, name, message(m.Input()), message(m.Output()))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name)
	if err != nil {
		return err
	}
	if err := s.SendMsg(message(m.Input())); err != nil && err != io.EOF {
		return err
	}
	_ = s.CloseSend()
	return s.RecvMsg(message(m.Output()))
}

func TestEachRemoteCallIsForThoseOnlyWhoMayMakeIt(t *testing.T) {
	list, keys := callers(t)
	s := start(t, func(c *Config) { c.Keys = keys })
	conn := s.dial(t, nil)
	client := wire.NewTaskHubSidecarServiceClient(conn)
	methods := rpcs(t)
	for i := range methods.Len() {
		m := methods.Get(i)
		operation := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
		for _, who := range list {
			if who.role == gate.Admin { // there is work that a stream sends, also after the hub was deleted
				_, err := client.StartInstance(as(t.Context(), who.token, "orders"), &wire.CreateInstanceRequest{InstanceId: operation[len("/TaskHubSidecarService/"):], Name: "F"})
				if err != nil && status.Code(err) != codes.AlreadyExists {
					t.Fatal(err)
				}
			}
			want := codes.OK
			switch {
			case !who.known:
				want = codes.Unauthenticated
			case who.role < gate.Needs[operation].Role:
				want = codes.PermissionDenied
			case who.role == gate.Worker && m.IsStreamingServer() && m.Input().Name() == "GetWorkItemsRequest":
				admin := list[gate.Admin-1]
				if _, err := client.StartInstance(as(t.Context(), admin.token, "orders"), &wire.CreateInstanceRequest{InstanceId: "work", Name: "F"}); err != nil {
					t.Fatal(err)
				}
			}
			err := call(as(t.Context(), who.token, "orders"), t, conn, m)
			got := status.Code(err)
			if refused := got == codes.Unauthenticated || got == codes.PermissionDenied; refused != (want != codes.OK) || refused && got != want {
				t.Errorf("%s by %s: %v, want %v", operation, who.name, err, want)
			}
		}
	}
}

// pathOf is an address for an operation of the HTTP API.
func pathOf(operation string) (method, path string) {
	method, path, _ = strings.Cut(operation, " ")
	for name, value := range map[string]string{"{function}": "F", "{instance?}": "i1", "{instance}": "i1", "{event}": "E", "{name?}": "n", "{name}": "n", "{key}": "k"} {
		path = strings.ReplaceAll(path, name, value)
	}
	return method, httpapi.Base + "/" + path
}

func TestEachRouteIsForThoseOnlyWhoMayUseIt(t *testing.T) {
	list, keys := callers(t)
	s := start(t, func(c *Config) { c.Keys = keys })
	for _, operation := range httpapi.Operations() {
		method, path := pathOf(operation)
		for _, who := range list {
			want := 0
			switch {
			case !who.known:
				want = http.StatusUnauthorized
			case who.role < gate.Needs[operation].Role:
				want = http.StatusForbidden
			}
			for how, header := range map[string]map[string]string{"": {"Authorization": "Bearer " + who.token}, "&code=" + who.token: nil, "&x": {"x-functions-key": who.token}} {
				got := s.code(t, method, path+"?taskHub=orders"+how, header)
				if refused := got == http.StatusUnauthorized || got == http.StatusForbidden; refused != (want != 0) || refused && got != want {
					t.Errorf("%s by %s: %d, want %d", operation, who.name, got, want)
				}
			}
		}
	}
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
