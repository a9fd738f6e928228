package durable

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Query yields the instances that match, page by page. Each page is read at a
// moment of its own: the whole is not a snapshot. It ends with the first error;
// an engine.PartialError comes after all instances that could be read.
func Query(ctx context.Context, hub Hub, q engine.Query) iter.Seq2[*model.Instance, error] {
	return func(yield func(*model.Instance, error) bool) {
		var missing *engine.PartialError
		for {
			page, err := hub.Engine().Query(ctx, q)
			if err != nil && !errors.As(err, &missing) {
				yield(nil, fmt.Errorf("query instances: %w", err))
				return
			}
			for _, inst := range page.Instances {
				if !yield(inst, nil) {
					return
				}
			}
			if q.Token = page.Token; q.Token == "" {
				break
			}
		}
		if missing != nil {
			yield(nil, fmt.Errorf("query instances: %w", missing))
		}
	}
}

// Purge forgets all ended instances that match, in bounded slices, and returns
// how many. With an error, those before it are forgotten; Purge again goes on.
// An engine.PartialError comes when all others are forgotten.
func Purge(ctx context.Context, hub Hub, q engine.Query) (deleted int, err error) {
	var missing *engine.PartialError
	for {
		n, token, err := hub.Engine().PurgeWhere(ctx, q)
		deleted += n
		if err != nil && !errors.As(err, &missing) {
			return deleted, fmt.Errorf("purge instances: %w", err)
		}
		if q.Token = token; token != "" {
			continue
		}
		if missing != nil {
			return deleted, fmt.Errorf("purge instances: %w", missing)
		}
		return deleted, nil
	}
}

// CleanEntities removes entities that have no state, no operations waiting and
// no lock, and releases locks whose holder no longer runs, as o says. The engine
// in this module does both by itself, when they come to be: there it finds
// something only if that has gone wrong. An engine.PartialError comes when all
// others have been looked at.
func CleanEntities(ctx context.Context, hub Hub, o engine.CleanOptions) (removed, released int, err error) {
	var missing *engine.PartialError
	for {
		c, err := hub.Engine().CleanEntities(ctx, o)
		removed, released = removed+c.Removed, released+c.Released
		if err != nil && !errors.As(err, &missing) {
			return removed, released, fmt.Errorf("clean entities: %w", err)
		}
		if o.Token = c.Token; c.Token != "" {
			continue
		}
		if missing != nil {
			return removed, released, fmt.Errorf("clean entities: %w", missing)
		}
		return removed, released, nil
	}
}
