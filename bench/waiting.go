package bench

import (
	"cmp"
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
// raises it for one after the other in an order that looks random. To start them is
// warm-up enough; the window ends when all are awake.
type waiting struct {
	none
	lone  int // woken before the window
	total int // all of them
	order order
	runID string
	woken atomic.Int64
}

// loneEvents is how many orchestrations, at most as many as are to wait in the
// window, are woken before it, one at a time.
const loneEvents = 200

func (*waiting) handlers() []durable.Handler { return []durable.Handler{sleeper} }

func (w *waiting) id(i int) string { return fmt.Sprintf("%s-sleeper-%d", w.runID, i) }

// setup starts the sleepers with all clients.
func (w *waiting) setup(ctx context.Context, e *env) error {
	w.total, w.runID = cmp.Or(e.cfg.Count, defaultWaiting), e.runID
	if !e.cfg.SkipProbe {
		w.lone = min(w.total, loneEvents)
		w.total += w.lone
	}
	w.order = newOrder(w.total)
	err := spread(ctx, max(e.cfg.Clients, 64), w.total, func(i int) error {
		_, err := sleeper.Start(ctx, e.hub, i, durable.ID(w.id(i)))
		return err
	})
	if err != nil {
		return fmt.Errorf("start the sleepers: %w", err)
	}
	return nil
}

// before measures lone events: the hub does nothing else.
func (w *waiting) before(ctx context.Context, e *env, r *Result) error {
	if err := e.hub.Checkpoint(ctx); err != nil { // of the starts
		return err
	}
	took := make([]time.Duration, w.lone)
	for i := range took {
		begin := time.Now()
		if _, err := w.op(ctx, e, 0, i); err != nil {
			return err
		}
		took[i] = time.Since(begin)
	}
	r.EventP50 = medianMillis(took)
	return nil
}

func (*waiting) after(context.Context, *env, *Result) error { return nil }

func (w *waiting) op(ctx context.Context, e *env, _, _ int) (int64, error) {
	n := int(w.woken.Add(1) - 1)
	if n >= w.total {
		return 0, errExhausted
	}
	id := w.id(w.order.at(n))
	if err := e.admitted(ctx, func() error { return wakeUp.Raise(ctx, e.hub, id, n) }); err != nil {
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
