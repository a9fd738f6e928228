package server

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/internal/rolestest"
)

// Each operation is tried by each kind of caller. So that to be let in can be told
// from everything else, the hub "orders" has an instance "i1" that has ended and
// an entity "@n@k", and each operation has a request that comes to something.

// asked is a request of a remote call, what it is answered with, and what it comes
// to for those who may make it.
type asked struct {
	request, answer proto.Message
	want            codes.Code
}

const sidecar = "/TaskHubSidecarService/"

var i1 = &wire.GetInstanceRequest{InstanceId: "i1"}

var requests = map[string]asked{
	sidecar + "Hello":                     {&emptypb.Empty{}, &emptypb.Empty{}, codes.OK},
	sidecar + "StartInstance":             {&wire.CreateInstanceRequest{InstanceId: "i2", Name: "F", OrchestrationIdReusePolicy: anyStatus()}, &wire.CreateInstanceResponse{}, codes.OK},
	sidecar + "GetInstance":               {i1, &wire.GetInstanceResponse{}, codes.OK},
	sidecar + "WaitForInstanceStart":      {i1, &wire.GetInstanceResponse{}, codes.OK},
	sidecar + "WaitForInstanceCompletion": {i1, &wire.GetInstanceResponse{}, codes.OK},
	sidecar + "RaiseEvent":                {&wire.RaiseEventRequest{InstanceId: "i1", Name: "E"}, &wire.RaiseEventResponse{}, codes.OK},
	sidecar + "TerminateInstance":         {&wire.TerminateRequest{InstanceId: "i1"}, &wire.TerminateResponse{}, codes.OK},
	sidecar + "SuspendInstance":           {&wire.SuspendRequest{InstanceId: "i1"}, &wire.SuspendResponse{}, codes.OK},
	sidecar + "ResumeInstance":            {&wire.ResumeRequest{InstanceId: "i1"}, &wire.ResumeResponse{}, codes.OK},
	sidecar + "RewindInstance":            {&wire.RewindInstanceRequest{InstanceId: "i1"}, &wire.RewindInstanceResponse{}, codes.FailedPrecondition}, // it has not failed
	sidecar + "RestartInstance":           {&wire.RestartInstanceRequest{InstanceId: "i1", RestartWithNewInstanceId: true}, &wire.RestartInstanceResponse{}, codes.OK},
	sidecar + "QueryInstances":            {&wire.QueryInstancesRequest{}, &wire.QueryInstancesResponse{}, codes.OK},
	sidecar + "ListInstanceIds":           {&wire.ListInstanceIdsRequest{}, &wire.ListInstanceIdsResponse{}, codes.OK},
	sidecar + "PurgeInstances":            {&wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: "i1"}}, &wire.PurgeInstancesResponse{}, codes.OK},
	sidecar + "StreamInstanceHistory":     {&wire.StreamInstanceHistoryRequest{InstanceId: "i1"}, &wire.HistoryChunk{}, codes.OK},
	sidecar + "SignalEntity":              {&wire.SignalEntityRequest{InstanceId: "@n@k", Name: "op"}, &wire.SignalEntityResponse{}, codes.OK},
	sidecar + "GetEntity":                 {&wire.GetEntityRequest{InstanceId: "@n@k"}, &wire.GetEntityResponse{}, codes.OK},
	sidecar + "QueryEntities":             {&wire.QueryEntitiesRequest{}, &wire.QueryEntitiesResponse{}, codes.OK},
	sidecar + "CleanEntityStorage":        {&wire.CleanEntityStorageRequest{}, &wire.CleanEntityStorageResponse{}, codes.OK},
	sidecar + "SkipGracefulOrchestrationTerminations": {&wire.SkipGracefulOrchestrationTerminationsRequest{},
		&wire.SkipGracefulOrchestrationTerminationsResponse{}, codes.OK},
	sidecar + "GetWorkItems": {&wire.GetWorkItemsRequest{}, &wire.WorkItem{}, codes.OK},
	// There is no such work: it is refused as stale.
	sidecar + "CompleteActivityTask":            {&wire.ActivityResponse{CompletionToken: "x"}, &wire.CompleteTaskResponse{}, codes.FailedPrecondition},
	sidecar + "CompleteOrchestratorTask":        {&wire.OrchestratorResponse{CompletionToken: "x"}, &wire.CompleteTaskResponse{}, codes.FailedPrecondition},
	sidecar + "CompleteEntityTask":              {&wire.EntityBatchResult{CompletionToken: "x"}, &wire.CompleteTaskResponse{}, codes.FailedPrecondition},
	sidecar + "AbandonTaskActivityWorkItem":     {&wire.AbandonActivityTaskRequest{CompletionToken: "x"}, &wire.AbandonActivityTaskResponse{}, codes.FailedPrecondition},
	sidecar + "AbandonTaskOrchestratorWorkItem": {&wire.AbandonOrchestrationTaskRequest{CompletionToken: "x"}, &wire.AbandonOrchestrationTaskResponse{}, codes.FailedPrecondition},
	sidecar + "AbandonTaskEntityWorkItem":       {&wire.AbandonEntityTaskRequest{CompletionToken: "x"}, &wire.AbandonEntityTaskResponse{}, codes.FailedPrecondition},
	sidecar + "CreateTaskHub":                   {&wire.CreateTaskHubRequest{RecreateIfExists: true}, &wire.CreateTaskHubResponse{}, codes.OK},
	sidecar + "DeleteTaskHub":                   {&wire.DeleteTaskHubRequest{}, &wire.DeleteTaskHubResponse{}, codes.OK},
	ListTaskHubs:                                {&emptypb.Empty{}, &structpb.ListValue{}, codes.OK},
}

// anyStatus is the policy that replaces whatever is there.
func anyStatus() *wire.OrchestrationIdReusePolicy {
	p := &wire.OrchestrationIdReusePolicy{}
	for s := range wire.OrchestrationStatus_name {
		p.ReplaceableStatus = append(p.ReplaceableStatus, wire.OrchestrationStatus(s))
	}
	return p
}

// furnish gives the hub "orders" what is asked for, as somebody who may.
func furnish(t *testing.T, conn *grpc.ClientConn, token string) {
	t.Helper()
	client, ctx := wire.NewTaskHubSidecarServiceClient(conn), as(t.Context(), token, "orders")
	_, err := client.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i1", Name: "F", OrchestrationIdReusePolicy: anyStatus()})
	if err == nil {
		_, err = client.TerminateInstance(ctx, &wire.TerminateRequest{InstanceId: "i1"})
	}
	if err == nil {
		_, err = client.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "work", Name: "F", OrchestrationIdReusePolicy: anyStatus()})
	}
	if err == nil {
		_, err = client.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: "@n@k", Name: "op"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// call makes a remote call. A stream is read once.
func call(ctx context.Context, conn *grpc.ClientConn, operation string, stream bool) error {
	q := requests[operation]
	if !stream {
		return conn.Invoke(ctx, operation, q.request, proto.Clone(q.answer))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, operation)
	if err != nil {
		return err
	}
	if err := s.SendMsg(q.request); err != nil && err != io.EOF {
		return err
	}
	_ = s.CloseSend()
	return s.RecvMsg(proto.Clone(q.answer))
}

// needed is the role that an operation needs by docs/reference-roles.md. It is not asked
// for in gate.Needs: a row that is wrong there would be expected as well.
func needed(t *testing.T, rows map[string]rolestest.Row, operation string) gate.Role {
	t.Helper()
	role, err := gate.ParseRole(rows[operation].Role)
	if err != nil {
		t.Fatalf("%s in docs/reference-roles.md: %v", operation, err)
	}
	return role
}

func TestEachRemoteCallIsForThoseOnlyWhoMayMakeIt(t *testing.T) {
	list, keys := callers(t)
	s := start(t, func(c *Config) { c.Keys = keys })
	conn := s.dial(t, nil)
	admin, rows := list[gate.Admin-1], rolestest.Page(t, "..")
	for service, info := range s.rpc.GetServiceInfo() {
		for _, m := range info.Methods {
			operation := "/" + service + "/" + m.Name
			if _, ok := requests[operation]; !ok {
				t.Errorf("%s has no request that it is tried with", operation)
				continue
			}
			for _, who := range list {
				hub, role := "orders", who.role
				if operation == ListTaskHubs { // it is of all hubs
					if hub = gate.Everywhere; who.name != "everywhere" {
						role = gate.None
					}
				}
				want := requests[operation].want
				switch {
				case !who.known:
					want = codes.Unauthenticated
				case role < needed(t, rows, operation):
					want = codes.PermissionDenied
				default:
					furnish(t, conn, admin.token)
				}
				if err := call(as(t.Context(), who.token, hub), conn, operation, m.IsServerStream); status.Code(err) != want {
					t.Errorf("%s by %s: %v, want %v", operation, who.name, err, want)
				}
			}
		}
	}
}

// answers are what the operations of the HTTP API come to for those who may.
var answers = map[string]int{
	"GET instances":                                http.StatusOK,
	"GET instances/{instance}":                     http.StatusOK,
	"GET entities/{name?}":                         http.StatusOK,
	"GET entities/{name}/{key}":                    http.StatusNotFound, // it has no state
	"GET changes":                                  http.StatusOK,
	"GET openapi.json":                             http.StatusOK,
	"POST orchestrators/{function}/{instance?}":    http.StatusAccepted,
	"POST instances/{instance}/raiseevent/{event}": http.StatusGone,
	"POST entities/{name}/{key}":                   http.StatusAccepted,
	"DELETE instances":                             http.StatusBadRequest, // it does not say from when on
	"DELETE instances/{instance}":                  http.StatusOK,
	"POST instances/{instance}/terminate":          http.StatusGone,
	"POST instances/{instance}/suspend":            http.StatusGone,
	"POST instances/{instance}/resume":             http.StatusGone,
	"POST instances/{instance}/rewind":             http.StatusGone,
	"POST instances/{instance}/restart":            http.StatusAccepted,
	"DELETE entities/{name}/{key}":                 http.StatusAccepted,
	"POST makeprimary":                             http.StatusOK,
}

// addresses are all under which an operation of the hub "orders" is found.
func addresses(operation string) (method string, list []string) {
	method, path, _ := strings.Cut(operation, " ")
	for name, value := range map[string]string{"{function}": "F", "{instance?}": "i1", "{instance}": "i1", "{event}": "E", "{name?}": "n", "{name}": "n", "{key}": "k"} {
		path = strings.ReplaceAll(path, name, value)
	}
	for _, base := range []string{httpapi.Base, "/admin/extensions/DurableTaskExtension", "/durabletask"} {
		list = append(list, base+"/"+path+"?op=add&taskHub=orders", "/taskhubs/orders"+base+"/"+path+"?op=add")
	}
	return method, list
}

func TestEachRouteIsForThoseOnlyWhoMayUseIt(t *testing.T) {
	list, keys := callers(t)
	s := start(t, func(c *Config) { c.Keys = keys })
	conn := s.dial(t, nil)
	admin, rows := list[gate.Admin-1], rolestest.Page(t, "..")
	for _, operation := range httpapi.Operations() {
		allowed, ok := answers[operation]
		if !ok {
			t.Errorf("it is not said what %s comes to", operation)
		}
		method, paths := addresses(operation)
		for _, who := range list {
			want := allowed
			switch {
			case !who.known:
				want = http.StatusUnauthorized
			case who.role < needed(t, rows, operation):
				want = http.StatusForbidden
			}
			for _, path := range paths {
				for how, header := range map[string]map[string]string{"": {"Authorization": "Bearer " + who.token}, "&code=" + who.token: nil, "&x": {"x-functions-key": who.token}} {
					if want == allowed {
						furnish(t, conn, admin.token)
					}
					if got := s.code(t, method, path+how, header); got != want {
						t.Errorf("%s %s by %s: %d, want %d", method, path, who.name, got, want)
					}
				}
			}
		}
	}
}
