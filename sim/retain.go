package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// retain has a process purge, now and then, what has reached its retention.
func (w *world) retain(p *process) {
	if w.plan.retention < 0 {
		return
	}
	w.after(w.plan.retention/4, func() {
		if p.dead {
			return
		}
		if !p.retaining && !p.eng.Failed() {
			p.retaining = true
			w.spawn("retention", p, func() {
				p.eng.Retain(context.Background())
				p.retaining = false
			})
		}
		w.retain(p)
	})
}

// retired checks, where instances have a retention, that nothing is purged that
// has not reached it, and that in the end everything is. Hours of partitions that
// ask each other all the time, since frames may get lost, would be too dear.
func (w *world) retired() {
	if w.plan.retention < 0 || w.plan.resend > 0 || w.failure != nil {
		return
	}
	w.run(w.now+w.plan.retention/2, func() bool { return false })
	w.visit("archivist", 4000, func(c *client) {
		for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
			c.see(id)
		}
	})
	w.run(w.now+w.plan.retention+time.Minute, func() bool { return false })
	w.visit("archivist", 4001, func(c *client) {
		err := c.request("query", "", func(ctx context.Context, e *netherite.Engine, _ string) error {
			page, err := e.Query(ctx, engine.Query{PageSize: 1})
			if err == nil && len(page.Instances) > 0 {
				i := page.Instances[0]
				err = fmt.Errorf("retention: %q, which is %v since %v, is still there at %v", i.ID, i.Status, i.Completed, w.wall())
			}
			return err
		})
		if err != nil {
			w.fail("%w", err)
		}
	})
}
