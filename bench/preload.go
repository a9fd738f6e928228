package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// preloadClients is how many clients preload: so many that the disk's latency
// does not count.
const preloadClients = 512

// Of the preloaded instances, every tenth has an ID of the caller's, and of
// these every hundredth has failed: a query by status, name and prefix cannot
// live off any one of its conditions.
const (
	preloadNamed  = 10
	preloadFailed = 1_000
)

func preloadPrefix(e *env) string { return e.runID + "-order-" }

// preload puts ended Hello5 instances into the hub.
func preload(ctx context.Context, e *env) error {
	h, scratch := &hello{}, &env{hub: e.hub, cfg: e.cfg}
	return spread(ctx, preloadClients, e.cfg.Preload, func(i int) error {
		switch {
		case i%preloadFailed == 0:
			return preloadNamedOne(ctx, e, i, -1, errNobody)
		case i%preloadNamed == 0:
			return preloadNamedOne(ctx, e, i, i, nil)
		}
		_, err := h.op(ctx, scratch, 0, i)
		return err
	})
}

// preloadNamedOne runs instance i under an ID of its own and expects an outcome.
func preloadNamedOne(ctx context.Context, e *env, i, input int, want error) error {
	run, err := hello5.Start(ctx, e.hub, input, durable.ID(fmt.Sprintf("%s%08d", preloadPrefix(e), i)))
	if err != nil {
		return err
	}
	if _, err = run.Wait(ctx); !errors.Is(err, want) {
		return fmt.Errorf("%s ended with %v, expected %v", run.ID(), err, want)
	}
	return nil
}

// queries is how often the query is made; the median counts.
const queries = 25

// query measures the first page of the failed ones among the preloaded
// instances, and checks what is on it.
func (r *Result) query(ctx context.Context, e *env) error {
	if e.cfg.Preload == 0 {
		return nil
	}
	q := engine.Query{Statuses: []model.Status{model.Failed}, Names: []string{hello5.Name()}, IDPrefix: preloadPrefix(e), PageSize: 100}
	want := min(q.PageSize, (e.cfg.Preload+preloadFailed-1)/preloadFailed)
	took := make([]time.Duration, queries)
	for i := range took {
		begin := time.Now()
		page, err := e.hub.Engine().Query(ctx, q)
		took[i] = time.Since(begin)
		if err != nil {
			return fmt.Errorf("query by status, name and prefix: %w", err)
		}
		if len(page.Instances) != want {
			return fmt.Errorf("query by status, name and prefix: a page of %d instances, expected %d", len(page.Instances), want)
		}
		for _, m := range page.Instances {
			if m.Status != model.Failed || m.Name != hello5.Name() || !strings.HasPrefix(m.ID, q.IDPrefix) {
				return fmt.Errorf("query by status, name and prefix: it found %s, a %s that is %s", m.ID, m.Name, m.Status)
			}
		}
	}
	r.QueryMillis = medianMillis(took)
	return nil
}
