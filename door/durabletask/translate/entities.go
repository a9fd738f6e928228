package translate

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// EntityRequest says a batch of operations, as current SDKs take it.
func EntityRequest(item *engine.EntityItem) *wire.EntityRequest {
	q := &wire.EntityRequest{
		InstanceId: valid(item.Instance), ExecutionId: item.Execution.String(), EntityState: Payload(item.State),
		OperationRequests: make([]*wire.HistoryEvent, len(item.Operations)),
	}
	for i := range item.Operations {
		q.OperationRequests[i] = Event(numbered(&item.Operations[i], item.Execution, i))
	}
	return q
}

// numbered returns an operation that has a request ID. SDKs want one, and some
// of them one that looks like a GUID, also for a signal that nobody answers.
func numbered(op *model.Event, execution model.ExecutionID, i int) *model.Event {
	if op.RequestID != "" {
		return op
	}
	e := *op
	e.RequestID = guid(model.ChildExecution(execution, int32(i), "signal"))
	return &e
}

// Requests are the IDs of the first n operations of an item, as EntityRequest says
// them.
func Requests(item *engine.EntityItem, n int) []string {
	ids := make([]string, min(n, len(item.Operations)))
	for i := range ids {
		ids[i] = valid(numbered(&item.Operations[i], item.Execution, i).RequestID)
	}
	return ids
}

// guid writes an identifier the way SDKs read GUIDs.
func guid(e model.ExecutionID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", e[:4], e[4:6], e[6:8], e[8:10], e[10:])
}

// EntityResult reads what a batch of operations came to. The item's Token and Now
// are the caller's to add.
func EntityResult(b *wire.EntityBatchResult) (*engine.EntityResult, error) {
	r := &engine.EntityResult{State: Bytes(b.GetEntityState()), Failure: ToFailure(b.GetFailureDetails())}
	for i, o := range b.GetResults() {
		switch t := o.GetResultType().(type) {
		case *wire.OperationResult_Success:
			r.Results = append(r.Results, engine.OperationResult{Output: Bytes(t.Success.GetResult())})
		case *wire.OperationResult_Failure:
			f := ToFailure(t.Failure.GetFailureDetails())
			if f == nil {
				f = &model.Failure{Message: "the operation failed, and its worker did not say how"}
			}
			r.Results = append(r.Results, engine.OperationResult{Failure: f})
		default:
			return nil, fmt.Errorf("result %d is neither a success nor a failure", i)
		}
	}
	for i, a := range b.GetActions() {
		e, err := operationAction(a)
		if err != nil {
			return nil, fmt.Errorf("action %d: %w", i, err)
		}
		r.Events = append(r.Events, e)
	}
	return r, nil
}

func operationAction(a *wire.OperationAction) (model.Event, error) {
	e := model.Event{ID: a.GetId()}
	switch t := a.GetOperationActionType().(type) {
	case *wire.OperationAction_SendSignal:
		s := t.SendSignal
		e.Kind, e.Instance, e.Name, e.Payload, e.FireAt = model.EntitySignaled, model.CanonicalID(s.GetInstanceId()), s.GetName(), Bytes(s.GetInput()), Time(s.GetScheduledTime())
		e.Ext = extra(model.Ext{Trace: ToTrace(s.GetParentTraceContext())})
	case *wire.OperationAction_StartNewOrchestration:
		s := t.StartNewOrchestration
		e.Kind, e.Instance, e.Name, e.Version, e.Payload = model.ChildCreated, s.GetInstanceId(), s.GetName(), s.GetVersion().GetValue(), Bytes(s.GetInput())
		e.FireAt = Time(s.GetScheduledTime())
		e.Ext = extra(model.Ext{Trace: ToTrace(s.GetParentTraceContext())})
	default:
		if !readOperationExtra(&e, a) {
			return e, fmt.Errorf("an action of a type that this server does not know")
		}
		return e, nil
	}
	readOperationExtra(&e, a)
	return e, nil
}

// State says what is known of an orchestration. Payloads are in it only if they
// were read.
func State(i *model.Instance) *wire.OrchestrationState {
	s := &wire.OrchestrationState{
		InstanceId: valid(i.ID), Name: valid(i.Name), Version: optional(i.Version), OrchestrationStatus: Status(i.Status),
		ScheduledStartTimestamp: Timestamp(i.ScheduledAt), CreatedTimestamp: timestamppb.New(i.Created.Std()),
		LastUpdatedTimestamp: timestamppb.New(i.LastUpdated.Std()), CompletedTimestamp: Timestamp(i.Completed),
		Input: Payload(i.Input), Output: Payload(i.Output), CustomStatus: Payload(i.CustomStatus), FailureDetails: Failure(i.Failure), Tags: tags(i.Tags),
	}
	if !i.Execution.IsZero() {
		s.ExecutionId = wrapperspb.String(i.Execution.String())
	}
	if i.Parent != nil {
		s.ParentInstanceId = optional(i.Parent.Instance)
	}
	return s
}

// Metadata says what is known of an entity.
func Metadata(i *model.Instance, state bool) *wire.EntityMetadata {
	m := &wire.EntityMetadata{InstanceId: valid(i.ID), LastModifiedTime: timestamppb.New(i.LastUpdated.Std())}
	if e := i.Entity; e != nil {
		m.BacklogQueueSize, m.LockedBy = int32(min(e.Backlog, 1<<31-1)), optional(e.LockedBy)
		if state {
			m.SerializedState = Payload(e.State)
		}
	}
	return m
}

// ActivityRequest says one run of an activity.
func ActivityRequest(i *engine.ActivityItem) *wire.ActivityRequest {
	return &wire.ActivityRequest{
		Name: valid(i.Name), Version: optional(i.Version), Input: Payload(i.Input), OrchestrationInstance: instance(i.Instance, i.Execution),
		TaskId: i.Task, ParentTraceContext: Trace(i.Trace), Tags: tags(i.Tags),
	}
}
