package durabletask

import (
	"context"
	"errors"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// maxFamily bounds how many descendants of an instance are counted when it is
// purged with them. The engine forgets those beyond as well, later and uncounted.
const maxFamily = 100_000

// purgeFamily forgets an instance that has ended, and all below it that has: the
// lowest first, so that what a failure leaves can still be reached from the top.
// It returns how many are gone. If the time is over it ends after one of them, and
// says that these are not all.
func purgeFamily(ctx context.Context, client engine.Client, id string, over func() bool) (deleted int, whole bool, err error) {
	family, err := familyOf(ctx, client, id)
	if err != nil {
		return 0, true, err
	}
	for i := len(family) - 1; i > 0; i-- {
		n, err := client.Purge(ctx, family[i], false)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return deleted, false, err
		}
		if deleted += n; deleted > 0 && over() {
			return deleted, false, nil
		}
	}
	n, err := client.Purge(ctx, id, true)
	return deleted + n, true, err
}

// familyOf lists an instance and the ended instances below it, each after its
// parent; the instance alone if it has not ended.
func familyOf(ctx context.Context, client engine.Client, id string) ([]string, error) {
	top, err := client.Get(ctx, id, engine.GetOptions{})
	if err != nil {
		return nil, err
	}
	family := []string{id}
	if !top.Status.Ended() || model.IsEntity(id) {
		return family, nil
	}
	seen := map[string]bool{id: true}
	for at := 0; at < len(family); at++ {
		events, err := client.History(ctx, family[at])
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, err
		}
		for i := range events {
			child := events[i].Instance
			if events[i].Kind != model.ChildCreated || seen[child] || len(family) > maxFamily {
				continue
			}
			seen[child] = true
			c, err := client.Get(ctx, child, engine.GetOptions{})
			switch {
			case errors.Is(err, engine.ErrNotFound):
			case err != nil:
				return nil, err
			case c.Status.Ended() && c.Parent != nil && c.Parent.Instance == family[at]:
				family = append(family, child)
			}
		}
	}
	return family, nil
}
