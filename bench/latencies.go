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

// latencies collects what operations took, in microseconds.
type latencies [latencyShards]struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

// add records what operation n took.
func (l *latencies) add(n int, d time.Duration) {
	s := &l[n%latencyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == nil {
		s.h = newHistogram()
	}
	_ = s.h.RecordValue(min(max(d, time.Microsecond), maxLatency).Microseconds()) // in range by construction
}

func (l *latencies) merged() *hdrhistogram.Histogram {
	all := newHistogram()
	for i := range l {
		s := &l[i]
		s.mu.Lock()
		if s.h != nil {
			all.Merge(s.h)
		}
		s.mu.Unlock()
	}
	return all
}
