package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// client is a hub as its clients see it, behind a server. Its requests have keys,
// or IDs of their own, so that one that is sent again takes effect once.
type client struct{ *link }

var _ engine.Client = client{}

// Start implements engine.Client.
func (c client) Start(ctx context.Context, r engine.StartRequest) (started engine.Started, err error) {
	q := &wire.CreateInstanceRequest{
		InstanceId: r.Instance, Name: r.Name, Version: optional(r.Version), Input: translate.Payload(r.Input),
		ScheduledStartTimestamp: translate.Timestamp(r.At), Tags: r.Tags, ParentTraceContext: translate.Trace(r.Trace),
	}
	x := &extra.Request{Key: r.Key, IfExists: uint32(r.IfExists)}
	if r.Replaceable != nil {
		q.OrchestrationIdReusePolicy = &wire.OrchestrationIdReusePolicy{}
		for _, s := range r.Replaceable {
			q.OrchestrationIdReusePolicy.ReplaceableStatus = append(q.OrchestrationIdReusePolicy.ReplaceableStatus, translate.Status(s))
		}
	}
	named := r.Instance != ""
	switch {
	case r.Key != "":
	case named:
		x.Key = c.key()
	default:
		// Nobody else has this ID: what is there when the request is sent again is
		// what it has started.
		q.InstanceId, x.IfExists = c.newID(), uint32(engine.FailIfExists)
	}
	extra.Put(q, x)
	err = c.call(ctx, "start "+quoted(r.Instance, r.Name), limited, func(ctx context.Context, resent bool) error {
		a, err := c.api.StartInstance(ctx, q, again)
		if resent && !named && r.Key == "" && errors.Is(c.explain(err), engine.ErrExists) {
			return c.begun(ctx, q.InstanceId, &started)
		}
		if err != nil {
			return err
		}
		var answer extra.Answer
		extra.Get(a, &answer)
		started = engine.Started{Instance: a.GetInstanceId(), Attached: answer.GetAttached()}
		copy(started.Execution[:], answer.GetExecution())
		return nil
	})
	return started, err
}

// begun tells what an earlier attempt has started.
func (c client) begun(ctx context.Context, id string, started *engine.Started) error {
	a, err := c.api.GetInstance(ctx, &wire.GetInstanceRequest{InstanceId: id}, again)
	if err != nil {
		return err
	}
	*started = engine.Started{Instance: id}
	started.Execution, err = model.ParseExecutionID(a.GetOrchestrationState().GetExecutionId().GetValue())
	return err
}

func quoted(instance, name string) string {
	if instance == "" {
		return fmt.Sprintf("orchestration %q", name)
	}
	return fmt.Sprintf("%q", instance)
}

func optional(s string) *wrapperspb.StringValue {
	if s == "" {
		return nil
	}
	return wrapperspb.String(s)
}

// keyed returns a request key: the caller's, or one of the call's own.
func (c client) keyed(key string) string {
	if key != "" {
		return key
	}
	return c.key()
}

// Raise implements engine.Client.
func (c client) Raise(ctx context.Context, r engine.RaiseRequest) error {
	q := &wire.RaiseEventRequest{InstanceId: r.Instance, Name: r.Event, Input: translate.Payload(r.Payload)}
	extra.Put(q, &extra.Request{Key: c.keyed(r.Key)})
	return c.call(ctx, fmt.Sprintf("raise event for %q", r.Instance), limited, func(ctx context.Context, _ bool) error {
		_, err := c.api.RaiseEvent(ctx, q, again)
		return err
	})
}

// Signal implements engine.Client.
func (c client) Signal(ctx context.Context, r engine.SignalRequest) error {
	q := &wire.SignalEntityRequest{
		InstanceId: r.Entity, Name: r.Operation, Input: translate.Payload(r.Input), ScheduledTime: translate.Timestamp(r.At),
		ParentTraceContext: translate.Trace(r.Trace), RequestId: c.keyed(r.Key),
	}
	return c.call(ctx, fmt.Sprintf("signal %q", r.Entity), limited, func(ctx context.Context, _ bool) error {
		_, err := c.api.SignalEntity(ctx, q, again)
		return err
	})
}

// Suspend implements engine.Client.
func (c client) Suspend(ctx context.Context, instance, reason string) error {
	q := &wire.SuspendRequest{InstanceId: instance, Reason: wrapperspb.String(reason)}
	extra.Put(q, &extra.Request{})
	return c.call(ctx, fmt.Sprintf("suspend %q", instance), limited, func(ctx context.Context, _ bool) error {
		_, err := c.api.SuspendInstance(ctx, q, again)
		return err
	})
}

// Resume implements engine.Client.
func (c client) Resume(ctx context.Context, instance, reason string) error {
	q := &wire.ResumeRequest{InstanceId: instance, Reason: wrapperspb.String(reason)}
	extra.Put(q, &extra.Request{})
	return c.call(ctx, fmt.Sprintf("resume %q", instance), limited, func(ctx context.Context, _ bool) error {
		_, err := c.api.ResumeInstance(ctx, q, again)
		return err
	})
}

// Terminate implements engine.Client.
func (c client) Terminate(ctx context.Context, r engine.TerminateRequest) error {
	q := &wire.TerminateRequest{InstanceId: r.Instance, Output: translate.Payload(r.Output), Recursive: r.Recursive}
	return c.call(ctx, fmt.Sprintf("terminate %q", r.Instance), limited, func(ctx context.Context, _ bool) error {
		_, err := c.api.TerminateInstance(ctx, q, again)
		return err
	})
}

// Rewind implements engine.Client. One that is sent again, and finds that nothing
// is failed any more, has taken effect before.
func (c client) Rewind(ctx context.Context, instance, reason string) error {
	q := &wire.RewindInstanceRequest{InstanceId: instance, Reason: wrapperspb.String(reason)}
	return c.call(ctx, fmt.Sprintf("rewind %q", instance), limited, func(ctx context.Context, resent bool) error {
		_, err := c.api.RewindInstance(ctx, q, again)
		if resent && errors.Is(c.explain(err), engine.ErrNotFailed) {
			return nil
		}
		return err
	})
}

// Purge implements engine.Client. One that is sent again does not know what it has
// purged before: what it does not find is ErrNotFound.
func (c client) Purge(ctx context.Context, instance string, recursive bool) (deleted int, err error) {
	q := &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: instance}, Recursive: recursive}
	extra.Put(q, &extra.Request{})
	err = c.call(ctx, fmt.Sprintf("purge %q", instance), limited, func(ctx context.Context, _ bool) error {
		a, err := c.api.PurgeInstances(ctx, q, again)
		deleted = int(a.GetDeletedInstanceCount())
		return err
	})
	return deleted, err
}

// PurgeWhere implements engine.Client.
func (c client) PurgeWhere(ctx context.Context, query engine.Query) (deleted int, token string, err error) {
	text, err := json.Marshal(query)
	if err != nil {
		return 0, "", fmt.Errorf("purge instances: %w: %w", engine.ErrInvalid, err)
	}
	q := &wire.PurgeInstancesRequest{}
	extra.Put(q, &extra.Request{Query: text})
	var answer extra.Answer
	err = c.call(ctx, "purge instances", limited, func(ctx context.Context, _ bool) error {
		a, err := c.api.PurgeInstances(ctx, q, again)
		if err == nil {
			extra.Get(a, &answer)
			deleted = int(a.GetDeletedInstanceCount())
		}
		return err
	})
	if err == nil {
		err = incomplete(answer.GetIncomplete())
	}
	return deleted, answer.GetToken(), err
}

// Query implements engine.Client.
func (c client) Query(ctx context.Context, query engine.Query) (page engine.Page, err error) {
	text, err := json.Marshal(query)
	if err != nil {
		return page, fmt.Errorf("query instances: %w: %w", engine.ErrInvalid, err)
	}
	q := &wire.QueryInstancesRequest{}
	extra.Put(q, &extra.Request{Query: text})
	var answer extra.Answer
	err = c.call(ctx, "query instances", limited, func(ctx context.Context, _ bool) error {
		a, err := c.api.QueryInstances(ctx, q, again)
		if err == nil && !extra.Get(a, &answer) {
			return errPlain
		}
		return err
	})
	if err != nil {
		return page, err
	}
	if page, err = pageOf(answer.GetPage()); err != nil {
		return page, fmt.Errorf("query instances: the answer cannot be read: %w", err)
	}
	return page, incomplete(answer.GetIncomplete())
}

// errPlain says that a server does not know what this package adds to the protocol.
var errPlain = fmt.Errorf("%w: the server is not one of this project, and cannot be asked that", engine.ErrInvalid)

// CleanEntities implements engine.Client.
func (c client) CleanEntities(ctx context.Context, o engine.CleanOptions) (cleaned engine.Cleaned, err error) {
	q := &wire.CleanEntityStorageRequest{ContinuationToken: optional(o.Token), RemoveEmptyEntities: o.RemoveEmpty, ReleaseOrphanedLocks: o.ReleaseOrphanedLocks}
	extra.Put(q, &extra.Request{})
	var answer extra.Answer
	err = c.call(ctx, "clean entities", limited, func(ctx context.Context, _ bool) error {
		a, err := c.api.CleanEntityStorage(ctx, q, again)
		if err == nil {
			extra.Get(a, &answer)
			cleaned = engine.Cleaned{Removed: int(a.GetEmptyEntitiesRemoved()), Released: int(a.GetOrphanedLocksReleased()), Token: a.GetContinuationToken().GetValue()}
		}
		return err
	})
	if err == nil {
		err = incomplete(answer.GetIncomplete())
	}
	return cleaned, err
}

// History implements engine.Client.
func (c client) History(ctx context.Context, instance string) (events []model.Event, err error) {
	q := &wire.StreamInstanceHistoryRequest{InstanceId: instance}
	extra.Put(q, &extra.Request{Whole: true})
	err = c.call(ctx, fmt.Sprintf("read history of %q", instance), limited, func(ctx context.Context, _ bool) error {
		events, err = c.stream(ctx, q)
		return err
	})
	return events, err
}

// stream reads a history.
func (c client) stream(ctx context.Context, q *wire.StreamInstanceHistoryRequest) (events []model.Event, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var s grpc.ServerStreamingClient[wire.HistoryChunk]
	if s, err = c.api.StreamInstanceHistory(ctx, q, again); err != nil {
		return nil, err
	}
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, err
		}
		list, err := translate.ToEvents(chunk.GetEvents())
		if err != nil {
			return nil, fmt.Errorf("the server sent what this program does not understand: %w", err)
		}
		events = append(events, list...)
	}
}
