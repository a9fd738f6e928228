package durabletask_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/durable"
)

// tree is an orchestration that has two children, down to a depth.
var tree = durable.DeclareOrchestration[int, int]("Tree")

func grow(ctx *durable.Context, depth int) (int, error) {
	if depth == 0 {
		return 1, nil
	}
	children, err := durable.All(ctx, tree.Call(ctx, depth-1), tree.Call(ctx, depth-1))
	if err != nil {
		return 0, err
	}
	return 1 + children[0] + children[1], nil
}

// serve returns the service before a hub in memory, and the hub.
func serve(t *testing.T, opts ...netherite.Option) (*durabletask.Service, *netherite.Hub) {
	t.Helper()
	hub, err := netherite.Open("clients", append(opts, netherite.InMemory())...)
	if err != nil {
		t.Fatal(err)
	}
	s := durabletask.Register(grpc.NewServer(), hub)
	t.Cleanup(func() {
		s.Close()
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, hub
}

// grown runs a tree of a depth and returns how many instances it has.
func grown(t *testing.T, hub durable.Hub, id string, depth int) int32 {
	t.Helper()
	run, err := tree.Start(t.Context(), hub, depth, durable.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	n, err := run.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int32(n)
}

func TestARecursivePurgeCountsAllThatIsGoneWhenItAnswers(t *testing.T) {
	s, hub := serve(t, netherite.Serve(tree.By(grow)))
	for name, q := range map[string]*wire.PurgeInstancesRequest{
		"by ID":     {Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: "top"}},
		"by filter": {Request: &wire.PurgeInstancesRequest_PurgeInstanceFilter{PurgeInstanceFilter: &wire.PurgeInstanceFilter{}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := grown(t, hub, "top", 3)
			q.Recursive = true
			got, err := s.PurgeInstances(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got.GetDeletedInstanceCount() != want || want != 15 {
				t.Errorf("%d instances are said to be gone, want %d", got.GetDeletedInstanceCount(), want)
			}
			left, err := s.QueryInstances(t.Context(), &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{}})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(left.GetOrchestrationState()); n != 0 {
				t.Errorf("%d instances are left", n)
			}
		})
	}
}

func TestAPurgeThatIsNotRecursiveLeavesTheChildren(t *testing.T) {
	s, hub := serve(t, netherite.Serve(tree.By(grow)))
	grown(t, hub, "top", 1)
	got, err := s.PurgeInstances(t.Context(), &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: "top"}})
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.QueryInstances(t.Context(), &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{}})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetDeletedInstanceCount() != 1 || len(left.GetOrchestrationState()) != 2 {
		t.Errorf("%d are gone and %d left, want 1 and 2", got.GetDeletedInstanceCount(), len(left.GetOrchestrationState()))
	}
}

func TestAnEntityWithoutAStateIsNone(t *testing.T) {
	s, _ := serve(t)
	const id = "@counter@waits"
	if _, err := s.SignalEntity(t.Context(), &wire.SignalEntityRequest{InstanceId: id, Name: "add", RequestId: "1"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetEntity(t.Context(), &wire.GetEntityRequest{InstanceId: id, IncludeState: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetExists() {
		t.Errorf("it is there: %v", got)
	}
	for transient, want := range map[bool]int{false: 0, true: 1} {
		page, err := s.QueryEntities(t.Context(), &wire.QueryEntitiesRequest{Query: &wire.EntityQuery{IncludeTransient: transient}})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.GetEntities()) != want {
			t.Errorf("a query finds %v with transient ones %v", page.GetEntities(), transient)
		}
	}
}
