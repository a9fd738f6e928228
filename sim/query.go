package sim

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// thereAndLasting lists the instances of which clients know that they are there,
// and that nobody purges or starts anew.
func (w *world) thereAndLasting(prefix string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		if strings.HasPrefix(id, prefix) && w.lasting(id) {
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
	q := engine.Query{IDPrefix: [...]string{"", "captive-", "transfer-"}[w.work.IntN(3)], PageSize: 1 + w.work.IntN(50)}
	there, pages := w.thereAndLasting(q.IDPrefix), check.NewPages(q.IDPrefix != "")
	for range 4 {
		var page engine.Page
		c.command("query", "", nil, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
			page, err = e.Query(ctx, q)
			return err
		})
		if err := pages.Page(page.Instances); err != nil {
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
		there = slices.DeleteFunc(there, func(id string) bool { return !w.lasting(id) })
		if err := pages.Complete(there); err != nil {
			w.fail("%w", err)
		}
	}
	if w.work.IntN(3) > 0 {
		return
	}
	c.command("purge by query", "", nil, func(ctx context.Context, e *netherite.Engine, _ string) error {
		_, _, err := e.PurgeWhere(ctx, engine.Query{IDPrefix: "captive-", Statuses: []model.Status{model.Terminated}})
		return err
	})
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
