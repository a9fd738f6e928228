package bench

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpenLoopCountsFromTheIntendedMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 100 a second are asked for, 20 a second can be done.
		l := &load{cfg: &Config{Rate: 100, Duration: 200 * time.Millisecond, Clients: 1}, op: timed(50 * time.Millisecond)}
		begin := time.Now()
		h := l.measure(t.Context())
		if n := l.calls.Load(); n != 20 {
			t.Errorf("%d operations in 0.2 s at 100 a second, want 20", n)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("they took %v, want 1s", took)
		}
		// The last one was to begin after 190 ms.
		if got, want := time.Duration(h.Max())*time.Microsecond, 810*time.Millisecond; (got - want).Abs() > time.Millisecond {
			t.Errorf("greatest latency %v, want %v", got, want)
		}
		if got := time.Duration(h.Min()) * time.Microsecond; (got - 50*time.Millisecond).Abs() > time.Millisecond {
			t.Errorf("least latency %v, want 50ms", got)
		}
	})
}

func TestOpenLoopByCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: &Config{Rate: 1000, Count: 30, Clients: 4}, op: timed(0)}
		begin := time.Now()
		l.measure(t.Context())
		if n, took := l.calls.Load(), time.Since(begin); n != 30 || took < 29*time.Millisecond || took > 31*time.Millisecond {
			t.Errorf("%d operations in %v, want 30 in 29ms", n, took)
		}
	})
}

func TestOpenLoopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce = 50
		var mu sync.Mutex
		under, most := 0, 0
		release := make(chan struct{})
		l := &load{atOnce: atOnce, cfg: &Config{Rate: 2 * atOnce, Duration: time.Second, Clients: 1}, op: func(context.Context, int, int) (int64, error) {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			<-release
			mu.Lock()
			under--
			mu.Unlock()
			return 1, nil
		}}
		go func() {
			pause(context.Background(), 3*time.Second)
			close(release)
		}()
		l.measure(t.Context())
		if most != atOnce || l.calls.Load()+l.refused.Load() != 2*atOnce || l.refused.Load() == 0 {
			t.Errorf("%d at a time, %d done, %d refused", most, l.calls.Load(), l.refused.Load())
		}
	})
}

func TestWarmUpOfAnOpenLoopIsOneToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := 0
		l := &load{cfg: &Config{Clients: 100, Warmup: 2 * time.Second, Rate: 5}, op: timed(0)}
		once := l.op
		l.op = func(ctx context.Context, c, n int) (int64, error) { ops++; return once(ctx, c, n) }
		l.warmUp(t.Context())
		if ops != 10 || l.calls.Load() != 0 {
			t.Errorf("%d operations in 2 s at 5 a second, %d counted", ops, l.calls.Load())
		}
	})
}

func TestOpenLoopEndsWithinTheDrainLimit(t *testing.T) {
	for name, cfg := range map[string]*Config{
		"by time":          {Clients: 1, Rate: 20, Duration: 10 * time.Second},
		"by count":         {Clients: 1, Rate: 20, Count: 200},
		"more than may be": {Clients: 1, Rate: 1000, Duration: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &load{cfg: cfg, atOnce: 500, op: func(ctx context.Context, _, _ int) (int64, error) {
					<-ctx.Done() // never ends by itself
					return 0, ctx.Err()
				}}
				begin := time.Now()
				l.measure(t.Context())
				if took := time.Since(begin); took != 10*time.Second+drainLimit {
					t.Errorf("it took %v", took)
				}
				if begun := min(500, int64(cfg.Rate*10)); l.failed.Load() != begun || l.failed.Load()+l.refused.Load() != int64(cfg.Rate*10) {
					t.Errorf("%d failed, %d refused", l.failed.Load(), l.refused.Load())
				}
				if first := l.firstFail.Load(); first == nil || !errors.Is(*first, errOverdue) || l.calls.Load() != 0 {
					t.Errorf("first failure %v", first)
				}
			})
		})
	}
}
