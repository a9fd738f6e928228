package bench

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachSecondHasFiguresOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		l := &load{cfg: &Config{Clients: 1, Duration: 3200 * time.Millisecond}, gauges: func() gauges {
			if time.Since(begin) < 1500*time.Millisecond {
				return gauges{}
			}
			return gauges{rss: 5, checkpoints: 2, segments: 1}
		}}
		// No operation ends together with a second, which of them it belongs to
		// would be chance.
		l.op = func(ctx context.Context, _, n int) (int64, error) {
			took := 10 * time.Millisecond
			if since := time.Since(begin); since >= time.Second && since < 1800*time.Millisecond {
				took = 124 * time.Millisecond
			} else if n == 0 {
				took = 5 * time.Millisecond
			}
			pause(ctx, took)
			return 2, nil
		}
		h := l.measure(t.Context())
		if len(l.points) != 3 || l.points[0].Calls != 100 || l.points[1].Calls != 20 || l.points[2].Calls != 121 || h.TotalCount() != 241 {
			t.Fatalf("%d calls, %+v", h.TotalCount(), l.points)
		}
		near := func(got, want float64) bool { return got > want*.99 && got < want*1.01 }
		slow, last := l.points[1], l.points[2]
		if slow.At != 2 || slow.Seconds != 1 || !near(slow.P50, 10) || !near(slow.P999, 124) || slow.RSS != 5 || slow.Checkpoints != 2 || slow.Segments != 1 || slow.PerSecond != 40 {
			t.Errorf("the slow second: %+v", slow)
		}
		// What is left of the window makes the last point longer.
		if last.Seconds != 1.203 || last.At != 3.203 || !near(last.P999, 10) || last.Checkpoints != 0 || !near(last.PerSecond, 201) {
			t.Errorf("the last: %+v", last)
		}
		if got := worstSecond(l.points); !near(got, 12.4) {
			t.Errorf("worst second %v times the median p50, want 12.4", got)
		}
	})
}

func TestAShortWindowHasOnePoint(t *testing.T) {
	l := &load{cfg: &Config{Clients: 2, Count: 10}, op: func(context.Context, int, int) (int64, error) { return 1, nil }}
	l.measure(t.Context())
	if len(l.points) != 1 || l.points[0].Calls != 10 || l.points[0].PerSecond <= 0 {
		t.Errorf("%+v", l.points)
	}
	l = &load{cfg: &Config{Clients: 2, Count: 10}, op: func(context.Context, int, int) (int64, error) { return 0, errExhausted }}
	h := l.measure(t.Context())
	if len(l.points) != 1 || l.points[0].P50 != 0 || worstSecond(l.points) != 0 || len(distribution(h)) != 0 {
		t.Errorf("without a call: %+v", l.points)
	}
}

func TestDistributionIsAsFineAsTheCallsAllow(t *testing.T) {
	h := newHistogram()
	for i := range int64(1000) {
		if err := h.RecordValue((i + 1) * 1000); err != nil {
			t.Fatal(err)
		}
	}
	d := distribution(h)
	if !slices.IsSortedFunc(d, func(a, b Quantile) int { return int(a.Percentile*1e6-b.Percentile*1e6) + int(a.Millis-b.Millis) }) {
		t.Errorf("it is not ascending: %v", d)
	}
	for _, want := range []Quantile{{0, 1}, {50, 500}, {99, 990}, {99.9, 999}, {100, 1000}} {
		i := slices.IndexFunc(d, func(q Quantile) bool { return q.Percentile == want.Percentile })
		if i < 0 || d[i].Millis < want.Millis*.99 || d[i].Millis > want.Millis*1.01 {
			t.Errorf("percentile %v is not %v ms in %v", want.Percentile, want.Millis, d)
		}
	}
	if last := d[len(d)-2].Percentile; last != 99.98 {
		t.Errorf("of 1,000 calls the last percentile before 100 is %v", last)
	}
}

func TestPreloadedInstancesAreFoundByQuery(t *testing.T) {
	const preloaded = 2_500
	e := inMemory(t, Config{Workload: "hello5", Preload: preloaded}, (&hello{}).handlers())
	if err := preload(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	if err := r.query(t.Context(), e); err != nil || r.QueryMillis <= 0 {
		t.Errorf("%v ms, %v", r.QueryMillis, err)
	}
	e.cfg.Preload += preloadFailed
	if err := r.query(t.Context(), e); err == nil || !strings.Contains(err.Error(), "a page of 3 instances, expected 4") {
		t.Errorf("a missing instance: %v", err)
	}
	e.cfg.Preload = 0
	if err := r.query(t.Context(), e); err != nil {
		t.Error(err)
	}
}

func TestLoneEventsAreMeasuredBeforeTheWindow(t *testing.T) {
	w := &waiting{}
	e := inMemory(t, Config{Workload: "waiting", Count: 20}, w.handlers())
	if err := w.setup(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	if err := w.before(t.Context(), e, r); err != nil || r.EventP50 <= 0 {
		t.Fatalf("%v ms, %v", r.EventP50, err)
	}
	// As many are left as were asked for.
	for n := range 21 {
		if _, err := w.op(t.Context(), e, 0, n); (err == nil) != (n < 20) {
			t.Errorf("event %d: %v", n, err)
		}
	}
}

func TestPlainLoopIsTheYardstickOfCollisions(t *testing.T) {
	if rate := plainLoop(t.Context(), time.Millisecond); rate < 1e5 {
		t.Errorf("a plain loop of %v candidates a second", rate)
	}
	c, r := &collision{plain: 1}, &Result{PerSecond: 1e12}
	if err := c.after(t.Context(), nil, r); err != nil || r.OfPlainLoop < 2 || r.OfPlainLoop > 1e7 {
		t.Errorf("%v of a plain loop, %v", r.OfPlainLoop, err)
	}
}
