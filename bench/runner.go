package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/netherite-go/netherite/engine"
)

// load drives operations: a closed loop of clients, or an open loop at a rate.
type load struct {
	cfg *Config
	op  func(ctx context.Context, client, n int) (units int64, err error)

	next      atomic.Int64 // number of the next operation
	counting  atomic.Bool  // the window is open
	units     atomic.Int64
	calls     atomic.Int64
	failed    atomic.Int64
	refused   atomic.Int64
	firstFail atomic.Pointer[error]
}

// timings is one client's latencies, in microseconds.
type timings struct{ h *hdrhistogram.Histogram }

// maxLatency bounds what the histograms tell apart.
const maxLatency = 10 * time.Minute

func newTimings() *timings {
	return &timings{hdrhistogram.New(1, maxLatency.Microseconds(), 3)}
}

func (t *timings) add(d time.Duration) {
	_ = t.h.RecordValue(min(max(d, time.Microsecond), maxLatency).Microseconds()) // in range by construction
}

// call makes one operation and counts it if the window was open when it began.
// It returns the latency of one that counts and succeeded.
func (l *load) call(ctx context.Context, client, n int, since time.Time) (latency time.Duration, ok bool) {
	counted := l.counting.Load()
	units, err := l.op(ctx, client, n)
	latency = time.Since(since)
	if !counted || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return 0, false
	}
	switch {
	case errors.Is(err, engine.ErrBusy), errors.Is(err, engine.ErrDiskFull):
		l.refused.Add(1)
	case err != nil:
		l.failed.Add(1)
		l.firstFail.CompareAndSwap(nil, &err)
	default:
		l.units.Add(units)
		l.calls.Add(1)
	}
	if l.cfg.Progress != nil {
		l.cfg.Progress(l.calls.Load(), int64(l.cfg.Count))
	}
	return latency, err == nil
}

// warmUp runs the closed loop uncounted.
func (l *load) warmUp(ctx context.Context) {
	if l.cfg.Warmup == 0 {
		return
	}
	stop := time.Now().Add(l.cfg.Warmup)
	l.clients(ctx, func(int64) bool { return time.Now().Before(stop) })
}

// measure opens the window, runs until the duration or count is reached and
// every operation begun has ended, and returns all latencies.
func (l *load) measure(ctx context.Context) *hdrhistogram.Histogram {
	l.counting.Store(true)
	defer l.counting.Store(false)
	first := l.next.Load()
	stop := time.Now().Add(l.cfg.Duration)
	goOn := func(n int64) bool {
		if l.cfg.Count > 0 {
			return n-first < int64(l.cfg.Count)
		}
		return time.Now().Before(stop)
	}
	if l.cfg.Rate > 0 {
		return l.open(ctx, goOn)
	}
	return l.clients(ctx, goOn)
}

// clients runs the closed loop.
func (l *load) clients(ctx context.Context, goOn func(n int64) bool) *hdrhistogram.Histogram {
	all := make([]*timings, l.cfg.Clients)
	var wg sync.WaitGroup
	for c := range all {
		all[c] = newTimings()
		wg.Go(func() {
			for ctx.Err() == nil {
				n := l.next.Add(1) - 1
				if !goOn(n) {
					return
				}
				if d, ok := l.call(ctx, c, int(n), time.Now()); ok {
					all[c].add(d)
				}
			}
		})
	}
	wg.Wait()
	return merged(all)
}

// open starts operations at the configured rate; each has a goroutine, and its
// latency counts from the moment at which it was meant to start.
func (l *load) open(ctx context.Context, goOn func(n int64) bool) *hdrhistogram.Histogram {
	gap := time.Duration(float64(time.Second) / l.cfg.Rate)
	begin := time.Now()
	shards := make([]*timings, 64)
	locks := make([]sync.Mutex, len(shards))
	for i := range shards {
		shards[i] = newTimings()
	}
	var wg sync.WaitGroup
	for i := int64(0); ctx.Err() == nil; i++ {
		n := l.next.Add(1) - 1
		if !goOn(n) {
			break
		}
		due := begin.Add(time.Duration(i) * gap)
		if wait := time.Until(due); wait > 0 {
			pause(ctx, wait)
		}
		wg.Go(func() {
			d, ok := l.call(ctx, int(n)%l.cfg.Clients, int(n), due)
			if !ok {
				return
			}
			s := int(n) % len(shards)
			locks[s].Lock()
			shards[s].add(d)
			locks[s].Unlock()
		})
	}
	wg.Wait()
	return merged(shards)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func merged(all []*timings) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	for _, t := range all {
		h.Merge(t.h)
	}
	return h
}
