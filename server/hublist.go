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
// be opened is an object in it instead, with the name and the error; one that does not
// serve everything, as its disk is full or a partition is parked, with the name and
// what ails it. It is for those who may everything in all hubs, so its metadata says
// taskhub "*".
const ListTaskHubs = "/netherite.Server/ListTaskHubs"

// Fields of the object that stands for a hub that cannot be opened, or ails.
const (
	ListedName    = "name"
	ListedError   = "error"
	ListedAilment = "ailment"
)

type hubLister interface {
	Names() []string
	Broken() map[string]error
	Ailing() map[string]error
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
		l := srv.(hubLister)
		answer, ailing, broken := &structpb.ListValue{}, l.Ailing(), l.Broken()
		for _, name := range l.Names() {
			if why := ailing[name]; why != nil {
				answer.Values = append(answer.Values, listed(name, ListedAilment, why))
			} else {
				answer.Values = append(answer.Values, structpb.NewStringValue(name))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(broken)) {
			answer.Values = append(answer.Values, listed(name, ListedError, broken[name]))
		}
		return answer, nil
	}
	if between == nil {
		return list(ctx, q)
	}
	return between(ctx, q, &grpc.UnaryServerInfo{Server: srv, FullMethod: ListTaskHubs}, list)
}

// listed stands for a hub of which there is more to say than its name.
func listed(name, field string, why error) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		ListedName: structpb.NewStringValue(name), field: structpb.NewStringValue(strings.ToValidUTF8(why.Error(), "?")),
	}})
}
