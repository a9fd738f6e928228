package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// parrot is a server that says the same to everything. With a code it is an error, and
// what it says is the error's detail. Whoever asks for the third time is disconnected.
type parrot struct {
	says  []byte
	code  codes.Code
	link  *link
	asked int
}

var _ grpc.ClientConnInterface = (*parrot)(nil)

func (p *parrot) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	if p.asked++; p.asked == 3 {
		p.link.cancel()
	}
	if p.code == codes.OK {
		return decodedInto(p.says, reply)
	}
	x := &extra.Error{}
	if err := decodedInto(p.says, x); err != nil {
		return status.Error(p.code, "") // without a detail
	}
	s, err := status.New(p.code, "it says").WithDetails(x)
	if err != nil {
		return err
	}
	return s.Err()
}

// decodedInto decodes a message, and fails as gRPC does.
func decodedInto(b []byte, m any) error {
	if err := proto.Unmarshal(b, m.(proto.Message)); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func (p *parrot) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return &parrotStream{parrot: p}, nil
}

// parrotStream is a stream with one message.
type parrotStream struct {
	parrot *parrot
	ended  bool
}

func (*parrotStream) Header() (metadata.MD, error) { return nil, nil }
func (*parrotStream) Trailer() metadata.MD         { return nil }
func (*parrotStream) CloseSend() error             { return nil }
func (*parrotStream) Context() context.Context     { return context.Background() }
func (*parrotStream) SendMsg(any) error            { return nil }
func (s *parrotStream) RecvMsg(m any) error {
	if s.ended {
		return io.EOF
	}
	s.ended = true
	return s.parrot.Invoke(context.Background(), "", nil, m)
}

// said is a client of a server that says the same to everything.
func said(says []byte, code codes.Code) client {
	l := &link{clock: still{}, timeout: time.Minute, random: rand.New(rand.NewPCG(1, 1))}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.api = wire.NewTaskHubSidecarServiceClient(&parrot{says: says, code: code, link: l})
	return client{l}
}

// calls are those of a client, with what is read of their answers in a form that can be
// said again.
var calls = []func(ctx context.Context, c client) (any, error){
	func(ctx context.Context, c client) (any, error) { return c.Get(ctx, "i", engine.GetOptions{}) },
	func(ctx context.Context, c client) (any, error) {
		return c.Wait(ctx, "i", engine.UntilStarted, engine.GetOptions{})
	},
	func(ctx context.Context, c client) (any, error) { return c.Query(ctx, engine.Query{}) },
	func(ctx context.Context, c client) (any, error) {
		return c.Start(ctx, engine.StartRequest{Instance: "i", Name: "n"})
	},
	func(ctx context.Context, c client) (any, error) { return c.Start(ctx, engine.StartRequest{Name: "n"}) },
	func(ctx context.Context, c client) (any, error) { return c.History(ctx, "i") },
	func(ctx context.Context, c client) (any, error) { return c.Purge(ctx, "i", true) },
	func(ctx context.Context, c client) (any, error) {
		n, token, err := c.PurgeWhere(ctx, engine.Query{})
		return []any{n, token}, err
	},
	func(ctx context.Context, c client) (any, error) { return c.CleanEntities(ctx, engine.CleanOptions{}) },
	func(ctx context.Context, c client) (any, error) { return nil, c.Rewind(ctx, "i", "r") },
}

// answers are answers to these calls.
func answers() []proto.Message {
	id := model.ExecutionID{1}
	i := &model.Instance{ID: "i", Execution: id, Name: "n", Status: model.Running, Created: 5, Input: []byte("1"), Tags: map[string]string{"a": "b"}, Parent: &model.Parent{Instance: "p"}}
	one, _ := json.Marshal(i)
	page, _ := json.Marshal(engine.Page{Instances: []*model.Instance{i}, Token: "t"})
	whole, list, started := &wire.GetInstanceResponse{Exists: true}, &wire.QueryInstancesResponse{}, &wire.CreateInstanceResponse{InstanceId: "i"}
	extra.Put(whole, &extra.Answer{Instance: one})
	extra.Put(list, &extra.Answer{Page: page, Incomplete: &extra.Error{Code: "damaged", Message: "m", Partitions: []int32{1}}})
	extra.Put(started, &extra.Answer{Execution: id[:], Attached: true})
	plain := &wire.GetInstanceResponse{Exists: true, OrchestrationState: &wire.OrchestrationState{
		InstanceId: "i", Name: "n", OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED, ExecutionId: wrapperspb.String(id.String()),
		FailureDetails: &wire.TaskFailureDetails{ErrorMessage: "e"}, ParentInstanceId: wrapperspb.String("p"), CreatedTimestamp: translate.Timestamp(5),
	}}
	purged, cleaned := &wire.PurgeInstancesResponse{DeletedInstanceCount: 3}, &wire.CleanEntityStorageResponse{EmptyEntitiesRemoved: 1}
	extra.Put(purged, &extra.Answer{Token: "t"})
	extra.Put(cleaned, &extra.Answer{Incomplete: &extra.Error{Partitions: []int32{1}}})
	return []proto.Message{whole, plain, list, started, purged, cleaned,
		&wire.HistoryChunk{Events: translate.NewHistory("i", id).Say([]model.Event{{Kind: model.OrchestratorStarted, Time: 5}})}, &wire.GetInstanceResponse{}}
}

// FuzzAnswer holds that whatever a server answers is understood or refused with some
// text, and that what is understood is said again as the same: the same JSON is read of
// it, as an instance in full and a page come in it.
func FuzzAnswer(f *testing.F) {
	for _, m := range answers() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		for n := range calls {
			f.Add(uint8(n), uint8(codes.OK), b)
		}
	}
	for code := range uint8(17) {
		b, _ := proto.Marshal(&extra.Error{Code: "not-failed", Message: "m", Partitions: []int32{int32(code)}})
		f.Add(uint8(len(calls)-1), code, b[:int(code)%2*len(b)])
	}
	f.Fuzz(func(t *testing.T, call, code uint8, b []byte) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			c := said(b, codes.Code(code%17))
			defer c.cancel()
			got, err := calls[int(call)%len(calls)](t.Context(), c)
			if partial, ok := errors.AsType[*engine.PartialError](err); err != nil && !ok {
				if err.Error() == "" {
					t.Error("an error that says nothing")
				}
				return
			} else if ok && len(partial.Partitions) == 0 {
				t.Error("nothing is missing, and that is an error")
			}
			if i, ok := got.(*model.Instance); ok && i == nil {
				if err == nil {
					t.Error("neither an instance nor an error")
				}
				return
			}
			saidAgain(t, got)
		})
	})
}

// saidAgain says in JSON what was read, and reads that.
func saidAgain(t *testing.T, got any) {
	t.Helper()
	switch got := got.(type) {
	case *model.Instance:
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		m := &wire.GetInstanceResponse{Exists: true}
		extra.Put(m, &extra.Answer{Instance: text})
		again, err := instanceOf(m)
		if d := cmp.Diff(got, again, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Fatalf("%s is read as something else (%v):\n%s", text, err, d)
		}
	case engine.Page:
		if slices.Contains(got.Instances, nil) {
			t.Fatalf("an instance of %+v is none: whoever looks at it panics", got)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		m := &wire.QueryInstancesResponse{}
		extra.Put(m, &extra.Answer{Page: text})
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		c := said(b, codes.OK)
		defer c.cancel()
		again, err := c.Query(t.Context(), engine.Query{})
		if d := cmp.Diff(got, again, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Fatalf("%s is read as something else (%v):\n%s", text, err, d)
		}
	}
}
