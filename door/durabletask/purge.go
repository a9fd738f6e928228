package durabletask

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// PurgeInstances forgets orchestrations that have ended, or entities: one by ID,
// up to 500 by ID, or those that match a filter.
func (s *Service) PurgeInstances(ctx context.Context, q *wire.PurgeInstancesRequest) (*wire.PurgeInstancesResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	if x := own(q); x != nil {
		return ownPurge(ctx, client, q, x)
	}
	switch r := q.GetRequest().(type) {
	case *wire.PurgeInstancesRequest_InstanceId:
		return purgeAll(ctx, client, []string{r.InstanceId}, q.GetRecursive())
	case *wire.PurgeInstancesRequest_InstanceBatch:
		ids := r.InstanceBatch.GetInstanceIds()
		if len(ids) > maxBatch {
			return nil, invalid("%d instances are named, at most %d are allowed", len(ids), maxBatch)
		}
		return purgeAll(ctx, client, ids, q.GetRecursive())
	case *wire.PurgeInstancesRequest_PurgeInstanceFilter:
		return s.purgeWhere(ctx, client, r.PurgeInstanceFilter, q.GetRecursive())
	}
	return nil, invalid("the request names neither an instance, nor a batch, nor a filter")
}

func purgeAll(ctx context.Context, client engine.Client, ids []string, recursive bool) (*wire.PurgeInstancesResponse, error) {
	for _, id := range ids { // all or none of a malformed list
		if err := model.ValidateInstanceID(id); err != nil {
			return nil, invalid("purge: %v", err)
		}
	}
	r := &wire.PurgeInstancesResponse{IsComplete: wrapperspb.Bool(true)}
	for _, id := range ids {
		n, err := purgeOne(ctx, client, model.CanonicalID(id), recursive)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, statusOf(err)
		}
		r.DeletedInstanceCount += int32(n)
	}
	return r, nil
}

func purgeOne(ctx context.Context, client engine.Client, id string, recursive bool) (int, error) {
	if recursive {
		n, _, err := purgeFamily(ctx, client, id, func() bool { return false })
		return n, err
	}
	return client.Purge(ctx, id, false)
}

// purgeWhere purges until nothing is left, or the time that the filter allows is
// over: what was deleted until then stays deleted.
func (s *Service) purgeWhere(ctx context.Context, client engine.Client, f *wire.PurgeInstanceFilter, recursive bool) (*wire.PurgeInstancesResponse, error) {
	statuses, err := statusesOf(f.GetRuntimeStatus())
	if err != nil {
		return nil, err
	}
	query := engine.Query{
		CreatedFrom: from(f.GetCreatedTimeFrom()), CreatedTo: to(f.GetCreatedTimeTo()), Statuses: ended(statuses),
	}
	r := &wire.PurgeInstancesResponse{IsComplete: wrapperspb.Bool(true)}
	if len(query.Statuses) == 0 {
		return r, nil
	}
	over := s.timeIsOver(f)
	step := purgeMatches
	if recursive {
		step = purgeFamilies
	}
	for {
		n, token, err := step(ctx, client, query, over)
		r.DeletedInstanceCount += int32(n)
		switch {
		case errors.Is(err, errTimeIsOver), err == nil && token != "" && over():
			r.IsComplete = wrapperspb.Bool(false)
			return r, nil
		case err != nil:
			return nil, statusOf(err)
		case token == "":
			return r, nil
		}
		query.Token = token
	}
}

// errTimeIsOver says that the time of a filter ended before all that it takes was
// deleted.
var errTimeIsOver = errors.New("the time of the purge is over")

// timeIsOver reports, from now on, whether the time that a filter allows is over. One
// that is over from the start still allows a step.
func (s *Service) timeIsOver(f *wire.PurgeInstanceFilter) func() bool {
	if f.GetTimeout() == nil {
		return func() bool { return false }
	}
	end := s.opts.Clock.Mono() + f.GetTimeout().AsDuration()
	return func() bool { return s.opts.Clock.Mono() >= end }
}

func purgeMatches(ctx context.Context, client engine.Client, q engine.Query, _ func() bool) (int, string, error) {
	return client.PurgeWhere(ctx, q)
}

// purgeFamilies purges a page of matches with their children. If the time is over it
// ends with errTimeIsOver, also within a family, of which those that are deleted then
// are the lowest: what is left is still found from above.
func purgeFamilies(ctx context.Context, client engine.Client, q engine.Query, over func() bool) (deleted int, token string, err error) {
	page, err := client.Query(ctx, q)
	if err != nil {
		return 0, "", err
	}
	for at, i := range page.Instances {
		n, whole, err := purgeFamily(ctx, client, i.ID, over)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return deleted, "", err
		}
		if deleted += n; !whole || deleted > 0 && at+1 < len(page.Instances) && over() {
			return deleted, "", errTimeIsOver
		}
	}
	return deleted, page.Token, nil
}
