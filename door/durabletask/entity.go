package durabletask

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// SignalEntity sends a one-way operation to an entity. A request with an ID takes
// effect once, however often it is sent.
func (s *Service) SignalEntity(ctx context.Context, q *wire.SignalEntityRequest) (*wire.SignalEntityResponse, error) {
	client, err := s.recipient(ctx)
	return commanded(client, err, func(c engine.Client) (*wire.SignalEntityResponse, error) {
		return &wire.SignalEntityResponse{}, c.Signal(ctx, engine.SignalRequest{
			Entity: model.CanonicalID(q.GetInstanceId()), Operation: q.GetName(), Input: translate.Bytes(q.GetInput()), At: translate.Time(q.GetScheduledTime()),
			Trace: translate.ToTrace(q.GetParentTraceContext()), Key: q.GetRequestId(),
		})
	})
}

// GetEntity says what is known of an entity. One without a state is none to
// clients, whatever waits for it, unless somebody holds its lock.
func (s *Service) GetEntity(ctx context.Context, q *wire.GetEntityRequest) (*wire.GetEntityResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	if !model.IsEntity(q.GetInstanceId()) {
		return nil, invalid("%q is not the ID of an entity: @name@key", q.GetInstanceId())
	}
	i, err := client.Get(ctx, model.CanonicalID(q.GetInstanceId()), engine.GetOptions{Payloads: true})
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return &wire.GetEntityResponse{}, nil
	case err != nil:
		return nil, statusOf(err)
	case i.Entity == nil || i.Entity.State == nil && i.Entity.LockedBy == "":
		return &wire.GetEntityResponse{}, nil
	}
	r := &wire.GetEntityResponse{Exists: true, Entity: translate.Metadata(i, q.GetIncludeState())}
	return r, fits(r, i.ID)
}

// QueryEntities answers with a page of entities.
func (s *Service) QueryEntities(ctx context.Context, q *wire.QueryEntitiesRequest) (*wire.QueryEntitiesResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	f := q.GetQuery()
	query := engine.Query{
		Entities: true, IDPrefix: model.CanonicalID(f.GetInstanceIdStartsWith().GetValue()),
		UpdatedFrom: from(f.GetLastModifiedFrom()), UpdatedTo: to(f.GetLastModifiedTo()),
		PageSize: pageSize(f.GetPageSize().GetValue()), Token: f.GetContinuationToken().GetValue(),
		GetOptions: engine.GetOptions{Payloads: f.GetIncludeState()},
	}
	r := &wire.QueryEntitiesResponse{}
	token, err := fill(ctx, client, query, func(i *model.Instance) proto.Message {
		if i.Entity == nil || !i.Entity.HasState && !f.GetIncludeTransient() {
			return nil
		}
		m := translate.Metadata(i, f.GetIncludeState())
		r.Entities = append(r.Entities, m)
		return m
	})
	if err != nil {
		return nil, err
	}
	r.ContinuationToken = tokenOf(token)
	return r, nil
}

// CleanEntityStorage deletes entities that are nothing any more, and releases
// locks whose holder is gone.
func (s *Service) CleanEntityStorage(ctx context.Context, q *wire.CleanEntityStorageRequest) (*wire.CleanEntityStorageResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	done, err := client.CleanEntities(ctx, engine.CleanOptions{
		RemoveEmpty: q.GetRemoveEmptyEntities(), ReleaseOrphanedLocks: q.GetReleaseOrphanedLocks(), Token: q.GetContinuationToken().GetValue(),
	})
	r := &wire.CleanEntityStorageResponse{
		EmptyEntitiesRemoved: int32(done.Removed), OrphanedLocksReleased: int32(done.Released), ContinuationToken: tokenOf(done.Token),
	}
	if own(q) != nil {
		answer := &extra.Answer{}
		answer.Incomplete, err = incomplete(err)
		extra.Put(r, answer)
	}
	if err != nil {
		return nil, statusOf(err)
	}
	return r, nil
}
