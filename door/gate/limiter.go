package gate

import (
	"sync"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

// limiter gives each key so many tokens a second, and lets it save up those of one
// second.
type limiter struct {
	clock substrate.Clock
	rate  float64 // tokens a second

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Duration // when it had them
}

// maxBuckets is how many keys are remembered before those that have all their
// tokens, and so are like new, are forgotten.
const maxBuckets = 10_000

func newLimiter(clock substrate.Clock, rate int) *limiter {
	return &limiter{clock: clock, rate: float64(rate), buckets: map[string]*bucket{}}
}

// take takes a token. It reports false if there is none.
func (l *limiter) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Mono()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = &bucket{tokens: l.rate, at: now}
		l.buckets[key] = b
	}
	b.tokens, b.at = l.saved(b, now), now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// saved is how many tokens a bucket has by now.
func (l *limiter) saved(b *bucket, now time.Duration) float64 {
	return min(l.rate, b.tokens+l.rate*(now-b.at).Seconds())
}

// forget drops the buckets that are full; if none is, all of them: that is a
// second's worth of tokens for each, and bounds what is remembered.
func (l *limiter) forget(now time.Duration) {
	for k, b := range l.buckets { // order-free: removes
		if l.saved(b, now) >= l.rate {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// counter counts what each caller has under way.
type counter struct {
	most int

	mu  sync.Mutex
	now map[string]int
}

func newCounter(most int) *counter { return &counter{most: most, now: map[string]int{}} }

// enter counts one more. It reports false if the caller has as many as it may;
// else leave has to follow.
func (c *counter) enter(caller string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[caller] >= c.most {
		return false
	}
	c.now[caller]++
	return true
}

func (c *counter) leave(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[caller]--; c.now[caller] == 0 {
		delete(c.now, caller)
	}
}
