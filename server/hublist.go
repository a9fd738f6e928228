package server

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/netherite-go/netherite/door/gate"
)

// ListTaskHubs is the call that lists the task hubs of a server, which the protocol
// of the SDKs does not have: no arguments, and a list of their names. One that cannot
// be opened is an object in it instead, with the name and the error. It is for those
// who may everything in all hubs, so its metadata says taskhub "*".
const ListTaskHubs = "/netherite.Server/ListTaskHubs"

// Fields of the object that stands for a hub that cannot be opened.
const (
	ListedName  = "name"
	ListedError = "error"
)

type hubLister interface {
	Names() []string
	Broken() map[string]error
}

func registerHubList(r grpc.ServiceRegistrar, hubs *Hubs) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "netherite.Server", HandlerType: (*hubLister)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "ListTaskHubs", Handler: listTaskHubs}},
	}, hubs)
}

func listTaskHubs(srv any, ctx context.Context, decode func(any) error, between grpc.UnaryServerInterceptor) (any, error) {
	q := new(emptypb.Empty)
	if err := decode(q); err != nil {
		return nil, err
	}
	list := func(ctx context.Context, _ any) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if v := md.Get("taskhub"); len(v) != 1 || v[0] != gate.Everywhere {
			return nil, status.Errorf(codes.InvalidArgument, "a list of the task hubs is of all of them: the metadata must say taskhub %q", gate.Everywhere)
		}
		answer := &structpb.ListValue{}
		for _, name := range srv.(hubLister).Names() {
			answer.Values = append(answer.Values, structpb.NewStringValue(name))
		}
		broken := srv.(hubLister).Broken()
		for _, name := range slices.Sorted(maps.Keys(broken)) {
			answer.Values = append(answer.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				ListedName: structpb.NewStringValue(name), ListedError: structpb.NewStringValue(strings.ToValidUTF8(broken[name].Error(), "?")),
			}}))
		}
		return answer, nil
	}
	if between == nil {
		return list(ctx, q)
	}
	return between(ctx, q, &grpc.UnaryServerInfo{Server: srv, FullMethod: ListTaskHubs}, list)
}
