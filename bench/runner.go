package bench

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/netherite-go/netherite/engine"
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
	points    []Point // once measured
}

// errExhausted ends a run: the workload has no further operation to make.
var errExhausted = errors.New("no operation is left")

// call makes one operation and counts it if the window is open. done says that
// the client should make no other.
func (l *load) call(ctx context.Context, client, n int, since time.Time) (done bool) {
	units, err := l.op(ctx, client, n)
	latency := time.Since(since)
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, errExhausted):
		return true
	case !l.counting.Load():
		return false
	case errors.Is(err, engine.ErrBusy), errors.Is(err, engine.ErrDiskFull):
		l.refused.Add(1)
		pause(ctx, refusedPause)
	case err != nil:
		l.failed.Add(1)
		l.firstFail.CompareAndSwap(nil, &err)
	default:
		l.units.Add(units)
		l.calls.Add(1)
		l.latency.add(n, latency)
	}
	if l.cfg.Progress != nil {
		l.cfg.Progress(l.calls.Load(), int64(l.cfg.Count))
	}
	return false
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
	seconds := l.watch()
	l.counting.Store(true)
	if l.cfg.Rate > 0 {
		l.open(ctx)
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

// maxOpen is the default of load.atOnce.
const maxOpen = 10_000

// open starts operations at the configured rate; each has a goroutine, and its
// latency counts from the moment at which it was meant to start. What could not
// be started before the end of the window, because too many were under way,
// counts as refused.
func (l *load) open(ctx context.Context) {
	total := int64(l.cfg.Count)
	if total == 0 {
		total = int64(math.Ceil(l.cfg.Duration.Seconds() * l.cfg.Rate))
	}
	begin := time.Now()
	stop := begin.Add(l.cfg.Duration)
	slots := make(chan struct{}, cmp.Or(l.atOnce, maxOpen))
	var exhausted atomic.Bool
	var wg sync.WaitGroup
	for i := int64(0); i < total && ctx.Err() == nil && !exhausted.Load(); i++ {
		due := begin.Add(time.Duration(float64(i) / l.cfg.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			pause(ctx, wait)
		}
		full := len(slots) == cap(slots)
		slots <- struct{}{}
		if full && l.cfg.Count == 0 && time.Now().After(stop) {
			l.refused.Add(total - i)
			break
		}
		n := l.next.Add(1) - 1
		wg.Go(func() {
			defer func() { <-slots }()
			if l.call(ctx, int(n)%l.cfg.Clients, int(n), due) {
				exhausted.Store(true)
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
