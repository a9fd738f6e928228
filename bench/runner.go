package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// load drives operations: a closed loop of clients, or an open loop at a rate.
type load struct {
	cfg *Config
	// atOnce bounds the operations that an open loop has under way; 0 is maxOpen.
	atOnce int
	op     func(ctx context.Context, client, n int) (units int64, err error)
	gauges func() gauges // of the hub, for the series; nil: there are none

	next      atomic.Int64 // number of the next operation
	counting  atomic.Bool  // the window is open
	latency   latencies
	units     atomic.Int64
	calls     atomic.Int64
	failed    atomic.Int64
	refused   atomic.Int64
	firstFail atomic.Pointer[error]
	firstNo   atomic.Pointer[error] // refusal
	points    []Point               // once measured
}

// errExhausted ends a run: the workload has no further operation to make.
var errExhausted = errors.New("no operation is left")

// call makes one operation and counts it if the window is open. Its latency counts
// from since on, whatever was refused meanwhile. done says that the client should
// make no other.
func (l *load) call(ctx context.Context, client, n int, since time.Time) (done bool) {
	var units int64
	err := l.admitted(ctx, func() (err error) {
		units, err = l.op(ctx, client, n)
		return err
	})
	latency := time.Since(since)
	switch {
	case errors.Is(err, errExhausted):
		return true
	case err != nil && ctx.Err() != nil:
		if overdue := context.Cause(ctx); errors.Is(overdue, errOverdue) {
			l.fail(overdue)
		}
		return true
	case err != nil:
		l.fail(err)
	case l.counting.Load():
		l.units.Add(units)
		l.calls.Add(1)
		l.latency.add(n, latency)
	}
	if l.cfg.Progress != nil && l.counting.Load() {
		l.cfg.Progress(l.calls.Load(), int64(l.cfg.Count))
	}
	return false
}

// fail notes what went wrong: in the window it is counted, and the first of all,
// the warm-up's included, is the run's.
func (l *load) fail(err error) {
	if l.counting.Load() {
		l.failed.Add(1)
	} else {
		err = fmt.Errorf("in the warm-up: %w", err)
	}
	l.firstFail.CompareAndSwap(nil, &err)
}

// admitted makes a request until the hub takes it, and counts the refusals. It
// gives up after refusedLimit: the caller gets an error that is no refusal.
func (l *load) admitted(ctx context.Context, request func() error) error {
	since := time.Now()
	for {
		err := request()
		if !isRefusal(err) {
			return err
		}
		if l.counting.Load() {
			l.refused.Add(1)
			l.firstNo.CompareAndSwap(nil, &err)
		}
		if time.Since(since) >= refusedLimit {
			return fmt.Errorf("given up after %v of refusals, the last was: %s", refusedLimit, err)
		}
		if pause(ctx, refusedPause); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// warmUp runs the load of the window, uncounted.
func (l *load) warmUp(ctx context.Context) {
	if l.cfg.Warmup == 0 {
		return
	}
	if l.cfg.Rate > 0 {
		l.open(ctx, 0, l.cfg.Warmup)
		return
	}
	stop := time.Now().Add(l.cfg.Warmup)
	l.clients(ctx, func(int64) bool { return time.Now().Before(stop) })
}

// measure opens the window, runs until the duration or count is reached and
// every operation begun has ended, and returns all latencies.
func (l *load) measure(ctx context.Context) *hdrhistogram.Histogram {
	seconds := l.watch()
	l.counting.Store(true)
	if l.cfg.Rate > 0 {
		l.open(ctx, int64(l.cfg.Count), l.cfg.Duration)
	} else {
		l.closed(ctx)
	}
	l.counting.Store(false)
	l.points = seconds.stop()
	return l.latency.all
}

// closed runs the closed loop for the duration or the count.
func (l *load) closed(ctx context.Context) {
	first := l.next.Load()
	stop := time.Now().Add(l.cfg.Duration)
	l.clients(ctx, func(n int64) bool {
		if l.cfg.Count > 0 {
			return n-first < int64(l.cfg.Count)
		}
		return time.Now().Before(stop)
	})
}

// clients runs the closed loop.
func (l *load) clients(ctx context.Context, goOn func(n int64) bool) {
	var wg sync.WaitGroup
	for c := range l.cfg.Clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := l.next.Add(1) - 1
				if !goOn(n) || l.call(ctx, c, int(n), time.Now()) {
					return
				}
			}
		})
	}
	wg.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
