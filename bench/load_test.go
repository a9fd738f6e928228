package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// timed is an operation that takes d, one at a time.
func timed(d time.Duration) func(context.Context, int, int) (int64, error) {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, _, _ int) (int64, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		pause(ctx, d)
		return 1, nil
	}
}

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

func TestClosedLoopByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := 0
		l := &load{cfg: &Config{Clients: 1, Warmup: 100 * time.Millisecond, Duration: time.Second}}
		slow := timed(50 * time.Millisecond)
		l.op = func(ctx context.Context, c, n int) (int64, error) {
			ops++
			return slow(ctx, c, n)
		}
		l.warmUp(t.Context())
		if l.calls.Load() != 0 || ops != 2 {
			t.Errorf("warm-up: %d operations, %d counted, want 2 and 0", ops, l.calls.Load())
		}
		h := l.measure(t.Context())
		if l.calls.Load() != 20 || l.units.Load() != 20 || h.TotalCount() != 20 {
			t.Errorf("%d calls, %d units, %d latencies, want 20", l.calls.Load(), l.units.Load(), h.TotalCount())
		}
	})
}

func TestClosedLoopByCount(t *testing.T) {
	var progress atomic.Int64
	l := &load{cfg: &Config{Clients: 7, Count: 100, Progress: func(int64, int64) { progress.Add(1) }}, op: func(context.Context, int, int) (int64, error) { return 3, nil }}
	l.next.Store(5) // of the warm-up
	l.measure(t.Context())
	if l.calls.Load() != 100 || l.units.Load() != 300 || progress.Load() != 100 {
		t.Errorf("%d calls, %d units, %d reports of progress", l.calls.Load(), l.units.Load(), progress.Load())
	}
}

func TestFailuresAndRefusalsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		l := &load{cfg: &Config{Clients: 1, Count: 30}, op: func(_ context.Context, _, n int) (int64, error) {
			return 1, []error{nil, fmt.Errorf("start: %w", engine.ErrBusy), broken}[n%3]
		}}
		begin := time.Now()
		h := l.measure(t.Context())
		if l.calls.Load() != 10 || l.refused.Load() != 10 || l.failed.Load() != 10 || h.TotalCount() != 10 {
			t.Errorf("%d calls, %d refused, %d failed", l.calls.Load(), l.refused.Load(), l.failed.Load())
		}
		if first := l.firstFail.Load(); first == nil || !errors.Is(*first, broken) {
			t.Errorf("first failure %v", first)
		}
		if took := time.Since(begin); took != 10*refusedPause {
			t.Errorf("it took %v: a refused client does not wait", took)
		}
	})
}

func TestRunEndsWhenNothingIsLeft(t *testing.T) {
	for name, cfg := range map[string]*Config{
		"closed": {Clients: 4, Duration: time.Hour},
		"open":   {Clients: 4, Duration: time.Hour, Rate: 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &load{cfg: cfg, op: func(_ context.Context, _, n int) (int64, error) {
					if n >= 10 {
						return 0, errExhausted
					}
					return 1, nil
				}}
				l.measure(t.Context())
				if l.calls.Load() != 10 || l.failed.Load() != 0 {
					t.Errorf("%d calls, %d failed", l.calls.Load(), l.failed.Load())
				}
			})
		})
	}
}

func TestSpreadTriesAgainWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := map[int]int{}
		err := spread(t.Context(), 1, 10, func(i int) error {
			if tries[i]++; tries[i] < 3 {
				return fmt.Errorf("no: %w", engine.ErrBusy)
			}
			return nil
		})
		if err != nil || len(tries) != 10 || tries[9] != 3 {
			t.Errorf("%v, tries %v", err, tries)
		}
		broken := errors.New("broken")
		done := 0
		if err := spread(t.Context(), 1, 10, func(int) error { done++; return broken }); !errors.Is(err, broken) || done != 1 {
			t.Errorf("%v after %d", err, done)
		}
	})
}

func TestValidate(t *testing.T) {
	good := Config{Workload: "hello5", Clients: 128, Duration: time.Second, Partitions: 8, Release: "node"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"workload":           func(c *Config) { c.Workload = "nothing" },
		"no workload":        func(c *Config) { c.Workload = "" },
		"no clients":         func(c *Config) { c.Clients = 0 },
		"many clients":       func(c *Config) { c.Clients = 100_001 },
		"negative count":     func(c *Config) { c.Count = -1 },
		"huge count":         func(c *Config) { c.Count = 100_000_001 },
		"no duration":        func(c *Config) { c.Duration = 0 },
		"negative duration":  func(c *Config) { c.Count, c.Duration = 1, -1 },
		"negative warmup":    func(c *Config) { c.Warmup = -1 },
		"negative rate":      func(c *Config) { c.Rate = -1 },
		"tiny rate":          func(c *Config) { c.Rate = 1e-12 },
		"huge rate":          func(c *Config) { c.Rate = 1e8 },
		"infinite rate":      func(c *Config) { c.Rate = math.Inf(1) },
		"no rate at all":     func(c *Config) { c.Rate = math.NaN() },
		"rate of word count": func(c *Config) { c.Workload, c.Rate = "wordcount", 1 },
		"negative preload":   func(c *Config) { c.Preload = -1 },
		"no partitions":      func(c *Config) { c.Partitions = 0 },
		"many partitions":    func(c *Config) { c.Partitions = 257 },
		"release":            func(c *Config) { c.Release = "never" },
	} {
		c := good
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: %+v is accepted", name, c)
		}
		if err := Run(t.Context(), c, func(*Result) { t.Error("it ran") }); err == nil {
			t.Errorf("%s: Run accepts it", name)
		}
	}
	for name, change := range map[string]func(*Config){
		"count without duration": func(c *Config) { c.Count, c.Duration = 1, 0 },
		"rate":                   func(c *Config) { c.Rate = 0.5 },
		"extremes":               func(c *Config) { c.Partitions, c.Clients, c.Rate = 256, 100_000, 1e7 },
	} {
		c := good
		if change(&c); c.Validate() != nil {
			t.Errorf("%s: %v", name, c.Validate())
		}
	}
}
