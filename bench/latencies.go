package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency bounds what the histograms tell apart.
const maxLatency = 10 * time.Minute

// latencyShards is a compromise: a histogram takes a third of a megabyte, and
// clients that share one wait for each other.
const latencyShards = 8

// latencies collects what operations took, in microseconds, by turns: each
// second of a run has percentiles of its own, and the clients need not know.
type latencies struct {
	shards [latencyShards]latencyShard
	// Of the goroutine that ends the turns.
	spare, turned, all *hdrhistogram.Histogram
}

type latencyShard struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

// add records what operation n took.
func (l *latencies) add(n int, d time.Duration) {
	s := &l.shards[n%latencyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == nil {
		s.h = newHistogram()
	}
	_ = s.h.RecordValue(min(max(d, time.Microsecond), maxLatency).Microseconds()) // in range by construction
}

// turn ends a turn and returns what was recorded in it, and with more in the one
// before as well. It may be read until the next call.
func (l *latencies) turn(more bool) *hdrhistogram.Histogram {
	if l.all == nil {
		l.spare, l.turned, l.all = newHistogram(), newHistogram(), newHistogram()
	}
	if !more {
		l.turned.Reset()
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		full := s.h
		if full != nil {
			s.h = l.spare
		}
		s.mu.Unlock()
		if full == nil {
			continue
		}
		// Outside of the lock: clients wait for two words only.
		l.turned.Merge(full)
		l.all.Merge(full)
		full.Reset()
		l.spare = full
	}
	return l.turned
}
