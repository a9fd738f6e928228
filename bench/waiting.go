package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// defaultWaiting is how many orchestrations wait when no count is given.
const defaultWaiting = 10_000

// wakingLimit is the window if no duration is given: until all are awake.
const wakingLimit = 24 * time.Hour

var (
	wakeUp  = durable.Event[int]("WakeUp")
	sleeper = durable.Orchestration("Sleeper", func(ctx *durable.Context, _ int) (int, error) {
		return wakeUp.Wait(ctx, 1000*time.Hour)
	})
)

// waiting starts a number of orchestrations that wait for an event, and then
// raises it for one after the other in a scattered order. To start them is
// warm-up enough; the window ends when all are awake.
type waiting struct {
	none
	total int
	runID string
	woken atomic.Int64
}

func (*waiting) handlers() []durable.Handler { return []durable.Handler{sleeper} }

func (w *waiting) id(i int) string { return fmt.Sprintf("%s-sleeper-%d", w.runID, i) }

// setup starts the sleepers with all clients.
func (w *waiting) setup(ctx context.Context, e *env) error {
	w.total, w.runID = e.cfg.Count, e.runID
	if w.total == 0 {
		w.total = defaultWaiting
	}
	err := spread(ctx, max(e.cfg.Clients, 64), w.total, func(i int) error {
		_, err := sleeper.Start(ctx, e.hub, i, durable.ID(w.id(i)))
		return err
	})
	if err != nil {
		return fmt.Errorf("start the sleepers: %w", err)
	}
	return nil
}

// scatter is a prime, so that n*scatter visits all of a smaller number.
const scatter = 1_000_003

func (w *waiting) op(ctx context.Context, e *env, _, _ int) (int64, error) {
	n := int(w.woken.Add(1) - 1)
	if n >= w.total {
		return 0, errExhausted
	}
	id := w.id(n * scatter % w.total)
	if err := wakeUp.Raise(ctx, e.hub, id, n); err != nil {
		return 0, err
	}
	got, err := sleeper.Attach(e.hub, id).Wait(ctx)
	if err != nil {
		return 0, err
	}
	if got != n {
		return 0, fmt.Errorf("waiting: %s woke with %d, expected %d", id, got, n)
	}
	e.samples.add(id)
	return 1, nil
}
