package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
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

func TestFailuresAreCountedApart(t *testing.T) {
	broken := errors.New("broken")
	l := &load{cfg: &Config{Clients: 1, Count: 30}, op: func(_ context.Context, _, n int) (int64, error) {
		return 1, []error{nil, nil, broken}[n%3]
	}}
	h := l.measure(t.Context())
	if l.calls.Load() != 20 || l.refused.Load() != 0 || l.failed.Load() != 10 || h.TotalCount() != 20 {
		t.Errorf("%d calls, %d refused, %d failed", l.calls.Load(), l.refused.Load(), l.failed.Load())
	}
	if first := l.firstFail.Load(); first == nil || !errors.Is(*first, broken) {
		t.Errorf("first failure %v", first)
	}
}

// refusing is an operation that is refused so many times, with either error, before
// it is taken.
func refusing(times int) func(context.Context, int, int) (int64, error) {
	var mu sync.Mutex
	tries := map[int]int{}
	return func(_ context.Context, _, n int) (int64, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries[n]++; tries[n] <= times {
			return 0, fmt.Errorf("start: %w", []error{engine.ErrBusy, engine.ErrDiskFull}[tries[n]%2])
		}
		return 1, nil
	}
}

func TestLatencyOfWhatWasRefusedCountsFromItsFirstAttempt(t *testing.T) {
	for name, cfg := range map[string]*Config{"closed": {Clients: 3, Count: 30}, "open": {Clients: 1, Count: 30, Rate: 1000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &load{cfg: cfg, op: refusing(4)}
				h := l.measure(t.Context())
				if l.calls.Load() != 30 || l.refused.Load() != 120 || l.failed.Load() != 0 {
					t.Errorf("%d calls, %d refused, %d failed", l.calls.Load(), l.refused.Load(), l.failed.Load())
				}
				if why := l.refusedWhy(); why != "start: "+engine.ErrDiskFull.Error() {
					t.Errorf("first refusal %q", why)
				}
				if got, want := time.Duration(h.Min())*time.Microsecond, 4*refusedPause; (got - want).Abs() > time.Millisecond {
					t.Errorf("least latency %v, want %v", got, want)
				}
			})
		})
	}
}

func TestRefusalsOfTheWarmUpPauseToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		l := &load{cfg: &Config{Clients: 1, Warmup: 10 * refusedPause}, op: func(context.Context, int, int) (int64, error) {
			if tries++; tries < 10 {
				return 0, engine.ErrBusy
			}
			pause(t.Context(), time.Second)
			return 1, nil
		}}
		l.warmUp(t.Context())
		if tries != 10 || l.refused.Load() != 0 || l.calls.Load() != 0 {
			t.Errorf("%d tries, %d refusals counted, %d calls counted", tries, l.refused.Load(), l.calls.Load())
		}
	})
}

func TestOperationThatIsRefusedForAMinuteHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: &Config{Clients: 1, Count: 1}, op: func(context.Context, int, int) (int64, error) { return 0, engine.ErrBusy }}
		l.measure(t.Context())
		if l.failed.Load() != 1 || l.calls.Load() != 0 || l.refused.Load() < int64(refusedLimit/refusedPause) {
			t.Errorf("%d failed, %d calls, %d refused", l.failed.Load(), l.calls.Load(), l.refused.Load())
		}
		if first := l.firstFail.Load(); first == nil || isRefusal(*first) || !strings.Contains((*first).Error(), "given up after 1m0s of refusals") {
			t.Errorf("first failure %v", first)
		}
	})
}

func TestFailureInTheWarmUpIsTheRuns(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			broken := errors.New("broken")
			l := &load{cfg: &Config{Clients: 1, Warmup: time.Second, Count: 5, Rate: rate}, op: func(ctx context.Context, _, n int) (int64, error) {
				pause(ctx, 10*time.Millisecond)
				if n == 3 {
					return 0, broken
				}
				return 1, nil
			}}
			l.warmUp(t.Context())
			l.measure(t.Context())
			if first := l.firstFail.Load(); first == nil || !errors.Is(*first, broken) || !strings.HasPrefix((*first).Error(), "in the warm-up: ") {
				t.Errorf("first failure %v", first)
			}
			if l.failed.Load() != 0 || l.calls.Load() != 5 {
				t.Errorf("%d failed, %d calls in the window", l.failed.Load(), l.calls.Load())
			}
		})
	}
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
		"hardly a duration":  func(c *Config) { c.Duration = time.Nanosecond },
		"negative duration":  func(c *Config) { c.Count, c.Duration = 1, -1 },
		"negative warmup":    func(c *Config) { c.Warmup = -1 },
		"endless warmup":     func(c *Config) { c.Warmup = maxWarmup + 1 },
		"negative rate":      func(c *Config) { c.Rate = -1 },
		"tiny rate":          func(c *Config) { c.Rate = 1e-12 },
		"huge rate":          func(c *Config) { c.Rate = 1e8 },
		"infinite rate":      func(c *Config) { c.Rate = math.Inf(1) },
		"no rate at all":     func(c *Config) { c.Rate = math.NaN() },
		"rate of word count": func(c *Config) { c.Workload, c.Clients, c.Rate = "wordcount", 1, 1 },
		"negative preload":   func(c *Config) { c.Preload = -1 },
		"little memory":      func(c *Config) { c.Memory = 15 },
		"huge memory":        func(c *Config) { c.Memory = 1<<20 + 1 },
		"long duration":      func(c *Config) { c.Duration = maxLength + 1 },
		"long warm-up":       func(c *Config) { c.Warmup = maxLength + 1 },
		"slow count":         func(c *Config) { c.Rate, c.Count = minRate, 100_000_000 },
		"words of many":      func(c *Config) { c.Workload = "wordcount" },
		"profile of nothing": func(c *Config) { c.ProfileFile = "file" },
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
		"extremes":               func(c *Config) { c.Partitions, c.Clients, c.Rate, c.Memory = 256, 100_000, 1e7, 1<<20 },
		"words":                  func(c *Config) { c.Workload, c.Clients = "wordcount", 1 },
	} {
		c := good
		if change(&c); c.Validate() != nil {
			t.Errorf("%s: %v", name, c.Validate())
		}
	}
}
