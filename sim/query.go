package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// Some kinds of instances have a tag.
const (
	lot  = "lot"
	lots = 3
)

var tagged = []string{"Transfer", "Nap", "Captive", "Warden"}

// thereAndLasting lists the instances that a query has to list, as clients know that
// they are there and that nobody purges or starts them anew.
func (w *world) thereAndLasting(q *engine.Query) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		i := w.ledger.Instances[id]
		status, seen := i.Seen()
		switch {
		case !strings.HasPrefix(id, q.IDPrefix), !w.lasting(id),
			len(q.Statuses) > 0 && !(seen && status == q.Statuses[0] && (status == model.Completed || status == model.Terminated)),
			len(q.Names) > 0 && !slices.Contains(q.Names, i.Kind),
			len(q.Tags) > 0 && i.Tags[lot] != q.Tags[lot]:
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// gone lists the instances whose purge has been acknowledged.
func (w *world) gone() (ids []string) {
	for id, i := range w.ledger.Instances { // order-free: a set
		if i.Gone && !i.Restarted {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) lasting(id string) bool {
	i := w.ledger.Instances[id]
	return i.Acked && !i.Purged && !i.Restarted && !w.ledger.Retired(id, w.latestWall)
}

// query reads pages of instances, and may purge what was terminated.
func (c *client) query() {
	w := c.w
	q := w.anyQuery()
	there, gone := w.thereAndLasting(&q), w.gone()
	pages := check.NewPages(!partition.ByCreation(&q))
	var lacks lacking
	for range 4 {
		var page engine.Page
		c.command("query", "", nil, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
			page, err = e.Query(ctx, q)
			return lacks.partial(w, err)
		})
		if err := cmp.Or(asked(&q, page.Instances), pages.Page(page.Instances), pages.Without(gone)); err != nil {
			w.fail("%w", err)
		}
		if q.Token != "" {
			mark.Hit(mark.PageContinued)
		}
		if q.Token = page.Token; q.Token == "" || w.failure != nil {
			break
		}
	}
	if q.Token == "" {
		mark.Hit(mark.LastPageRead)
		there = slices.DeleteFunc(there, func(id string) bool { return !w.lasting(id) || lacks.has(w, id) })
		if err := pages.Complete(there); err != nil {
			w.fail("%w", err)
		}
	}
	if w.work.IntN(3) == 0 {
		c.purgeByQuery()
	}
}

// anyQuery draws a query.
func (w *world) anyQuery() engine.Query {
	q := engine.Query{IDPrefix: [...]string{"", "captive-", "transfer-"}[w.work.IntN(3)], PageSize: 1 + w.work.IntN(50)}
	if q.PageSize%8 == 1 {
		q.MaxBytes = 2_000 // few
	}
	if w.work.IntN(3) == 0 {
		q.Statuses = []model.Status{[...]model.Status{model.Completed, model.Terminated, model.Running}[w.work.IntN(3)]}
	}
	if w.work.IntN(3) == 0 {
		q.Tags = map[string]string{lot: fmt.Sprint(w.work.IntN(lots))}
	}
	if w.work.IntN(4) == 0 {
		q.Names = []string{"Transfer", "Nap"}
	}
	return q
}

// asked checks that a page has nothing that its query is not for.
func asked(q *engine.Query, page []*model.Instance) error {
	for _, i := range page {
		switch {
		case len(q.Statuses) > 0 && !slices.Contains(q.Statuses, i.Status),
			len(q.Names) > 0 && !slices.Contains(q.Names, i.Name),
			len(q.Tags) > 0 && i.Tags[lot] != q.Tags[lot],
			!strings.HasPrefix(i.ID, q.IDPrefix):
			return fmt.Errorf("query: %q is listed, which is a %s, %v, with tags %v; asked was for %v, %v, %v, %q", i.ID, i.Name, i.Status, i.Tags, q.Names, q.Statuses, q.Tags, q.IDPrefix)
		}
	}
	return nil
}

// purgeByQuery purges captives that were terminated. Those of which that is known
// are gone once all is said to be.
func (c *client) purgeByQuery() {
	w := c.w
	ended := map[string]*check.Instance{}
	var lacks lacking
	for id, i := range w.ledger.Instances { // order-free: each is marked for itself
		if status, _ := i.Seen(); strings.HasPrefix(id, "captive-") && status == model.Terminated {
			ended[id] = i
		}
	}
	left := ""
	acked := c.command("purge by query", "", nil, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		_, left, err = e.PurgeWhere(ctx, engine.Query{IDPrefix: "captive-", Statuses: []model.Status{model.Terminated}})
		return lacks.partial(w, err)
	})
	for id, i := range ended { // order-free: each is marked for itself
		i.Gone = i.Gone || acked && left == "" && !lacks.has(w, id)
	}
}

// raise raises an event until it is acknowledged. It returns false if that cannot
// be known. If it is kept, it has to be in the history at the end.
func (c *client) raise(i *check.Instance, id, event string, value any, kept bool) (acked bool) {
	payload := encode(value)
	if kept {
		i.Raise(string(payload), false)
	}
	acked = c.command("raise", id, nil, func(ctx context.Context, e *netherite.Engine, key string) error {
		return e.Raise(ctx, engine.RaiseRequest{Instance: id, Event: event, Payload: payload, Key: key})
	})
	if kept && c.late {
		c.w.ledger.Repeated(id, string(payload))
	}
	if kept && acked {
		i.Raise(string(payload), true)
	}
	return acked
}

// giveUpOn terminates an instance that may have missed what it waits for.
func (c *client) giveUpOn(i *check.Instance, id string) {
	i.Want, i.Any = "", true
	var gone error
	if strings.HasPrefix(id, "captive-") { // a query may purge it
		i.Purged, gone = true, engine.ErrNotFound
	}
	i.Stopped = c.command("terminate", id, gone, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("given up")})
	})
}
