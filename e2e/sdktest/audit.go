package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// Histories are what Audit has found in the histories of a task hub.
type Histories struct {
	rewound  map[string]bool // by instance
	answered map[string]bool // by instance and number of an activity
	asked    map[string]int  // by the same, how often it was asked for
}

// NewHistories returns none.
func NewHistories() *Histories {
	return &Histories{rewound: map[string]bool{}, answered: map[string]bool{}, asked: map[string]int{}}
}

// Add adds what was found in another hub, which has other instances.
func (h *Histories) Add(more *Histories) {
	maps.Copy(h.rewound, more.rewound)
	maps.Copy(h.answered, more.answered)
	maps.Copy(h.asked, more.asked)
}

// note notes what is in the history of an instance.
func (h *Histories) note(id string, events []*wire.HistoryEvent) {
	for _, e := range events {
		switch {
		case e.GetExecutionRewound() != nil:
			h.rewound[id] = true
		case e.GetTaskScheduled() != nil:
			h.asked[fmt.Sprintf("%s %d", id, e.GetEventId())]++
		case e.GetTaskCompleted() != nil:
			h.answered[fmt.Sprintf("%s %d", id, e.GetTaskCompleted().GetTaskScheduledId())] = true
		case e.GetTaskFailed() != nil:
			h.answered[fmt.Sprintf("%s %d", id, e.GetTaskFailed().GetTaskScheduledId())] = true
		}
	}
}

// Audit reads the histories of all orchestrations of a task hub whose IDs begin
// with a prefix, and holds that nothing in them has happened twice. It gives each
// history to look, if that is not nil. At least so many instances must be there; if
// there may be none the hub need not be there either.
func Audit(t testing.TB, s *Server, hub, prefix string, least int, look func(id string, events []*wire.HistoryEvent)) *Histories {
	t.Helper()
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "taskhub", hub)
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ids, err := instances(ctx, c, prefix)
	if err != nil && (least > 0 || status.Code(err) != codes.NotFound) {
		t.Fatal(err)
	}
	if len(ids) < least {
		t.Errorf("there are %d instances, want at least %d", len(ids), least)
	}
	found := NewHistories()
	for id, ended := range ids {
		events, err := history(ctx, c, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range misdeeds(events, ended) {
			t.Errorf("%s: %s", id, wrong)
		}
		found.note(id, events)
		if look != nil {
			look(id, events)
		}
	}
	t.Logf("audited the histories of %d instances", len(ids))
	return found
}

// instances are the orchestrations with such IDs, and whether each has ended.
func instances(ctx context.Context, c wire.TaskHubSidecarServiceClient, prefix string) (map[string]bool, error) {
	ids := map[string]bool{}
	q := &wire.InstanceQuery{MaxInstanceCount: 500}
	if prefix != "" {
		q.InstanceIdPrefix = wrapperspb.String(prefix)
	}
	for {
		page, err := c.QueryInstances(ctx, &wire.QueryInstancesRequest{Query: q})
		if err != nil {
			return nil, err
		}
		for _, i := range page.GetOrchestrationState() {
			switch i.GetOrchestrationStatus() {
			case wire.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING:
			case wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, wire.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED,
				wire.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED:
				ids[i.GetInstanceId()] = true
			default:
				ids[i.GetInstanceId()] = false
			}
		}
		if page.GetContinuationToken().GetValue() == "" {
			return ids, nil
		}
		q.ContinuationToken = page.GetContinuationToken()
	}
}

func history(ctx context.Context, c wire.TaskHubSidecarServiceClient, id string) (all []*wire.HistoryEvent, err error) {
	stream, err := c.StreamInstanceHistory(ctx, &wire.StreamInstanceHistoryRequest{InstanceId: id})
	if err != nil {
		return nil, err
	}
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, chunk.GetEvents()...)
	}
}

// misdeeds says what has happened twice in a history, or without being asked for.
// What has failed may be asked for again under its number: so some SDKs try again.
func misdeeds(events []*wire.HistoryEvent, ended bool) (out []string) {
	asked, outcomes, failed := map[string]int{}, map[string]int{}, map[string]bool{}
	begins, ends := 0, 0
	for _, e := range events {
		if what := asks(e); what != "" {
			if failed[what] && asked[what] == outcomes[what] {
				asked[what], outcomes[what] = 0, 0
			}
			asked[what]++
		}
		if what := outcome(e); what != "" {
			outcomes[what]++
			failed[what] = e.GetTaskFailed() != nil || e.GetSubOrchestrationInstanceFailed() != nil
		}
		if e.GetExecutionStarted() != nil {
			begins++
		}
		if e.GetExecutionCompleted() != nil {
			ends++
		}
	}
	for what, n := range asked {
		if n != 1 {
			out = append(out, fmt.Sprintf("%s was asked for %d times", what, n))
		}
	}
	for what, n := range outcomes {
		if n != 1 || asked[what] != 1 {
			out = append(out, fmt.Sprintf("%s was asked for %d times and has %d outcomes", what, asked[what], n))
		}
	}
	if want := map[bool]int{true: 1}[ended]; begins != 1 || ends != want {
		out = append(out, fmt.Sprintf("it has begun %d times and ended %d times, want 1 and %d", begins, ends, want))
	}
	return out
}

// asks is what an event asks for, or nothing.
func asks(e *wire.HistoryEvent) string {
	switch {
	case e.GetTaskScheduled() != nil:
		return fmt.Sprintf("task %d", e.GetEventId())
	case e.GetTimerCreated() != nil:
		return fmt.Sprintf("timer %d", e.GetEventId())
	case e.GetSubOrchestrationInstanceCreated() != nil:
		return fmt.Sprintf("child %d", e.GetEventId())
	case e.GetEntityOperationCalled() != nil:
		return "call " + e.GetEntityOperationCalled().GetRequestId()
	case e.GetEntityLockRequested() != nil:
		return "lock " + e.GetEntityLockRequested().GetCriticalSectionId()
	}
	return ""
}

// outcome is what an event is the outcome of, or nothing.
func outcome(e *wire.HistoryEvent) string {
	switch {
	case e.GetTaskCompleted() != nil:
		return fmt.Sprintf("task %d", e.GetTaskCompleted().GetTaskScheduledId())
	case e.GetTaskFailed() != nil:
		return fmt.Sprintf("task %d", e.GetTaskFailed().GetTaskScheduledId())
	case e.GetTimerFired() != nil:
		return fmt.Sprintf("timer %d", e.GetTimerFired().GetTimerId())
	case e.GetSubOrchestrationInstanceCompleted() != nil:
		return fmt.Sprintf("child %d", e.GetSubOrchestrationInstanceCompleted().GetTaskScheduledId())
	case e.GetSubOrchestrationInstanceFailed() != nil:
		return fmt.Sprintf("child %d", e.GetSubOrchestrationInstanceFailed().GetTaskScheduledId())
	case e.GetEntityOperationCompleted() != nil:
		return "call " + e.GetEntityOperationCompleted().GetRequestId()
	case e.GetEntityOperationFailed() != nil:
		return "call " + e.GetEntityOperationFailed().GetRequestId()
	case e.GetEntityLockGranted() != nil:
		return "lock " + e.GetEntityLockGranted().GetCriticalSectionId()
	}
	return ""
}
