package bench

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Point is one second of the window; the last may be half a second shorter or
// longer. Calls belong to the second in which they ended.
type Point struct {
	At        float64 `json:"at"`      // its end, in seconds since the window began
	Seconds   float64 `json:"seconds"` // its length
	Calls     int64   `json:"calls"`
	PerSecond float64 `json:"per_second"` // units
	P50       float64 `json:"p50_ms"`     // 0 without calls, as the following
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	RSS       int64   `json:"rss_bytes"` // resident memory at its end; 0 where the system does not tell
	// Checkpoints counts the complete ones in it, Segments the log's that were
	// begun in it.
	Checkpoints int64 `json:"checkpoints"`
	Segments    int64 `json:"segments"`
}

// Quantile is a point of the distribution of latencies.
type Quantile struct {
	Percentile float64 `json:"percentile"` // 0 to 100
	Millis     float64 `json:"ms"`
}

// pointEvery is the length of a point.
const pointEvery = time.Second

// gauges are what a series shows beside the load's own counts.
type gauges struct{ rss, checkpoints, segments int64 }

// edge is where a point begins or ends.
type edge struct {
	at    time.Time
	units int64
	gauges
}

// series watches a load and takes a point every second.
type series struct {
	l      *load
	begin  time.Time
	from   edge // begin of the last point
	to     edge // and its end
	points []Point

	stopped chan struct{}
	done    sync.WaitGroup
}

// watch starts a series. The owner stops it.
func (l *load) watch() *series {
	s := &series{l: l, to: l.edge(), stopped: make(chan struct{})}
	s.begin = s.to.at
	s.done.Go(s.run)
	return s
}

func (l *load) edge() edge {
	e := edge{at: time.Now(), units: l.units.Load()}
	if l.gauges != nil {
		e.gauges = l.gauges()
	}
	return e
}

func (s *series) run() {
	ticks := time.NewTicker(pointEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			s.from = s.to
			s.take(s.l.latency.turn(false))
		case <-s.stopped:
			s.end()
			return
		}
	}
}

// end takes the last point: what is left makes one of its own, or the last one
// longer if it is short.
func (s *series) end() {
	n := len(s.points)
	if n == 0 || time.Since(s.to.at) >= pointEvery/2 {
		s.from = s.to
		s.take(s.l.latency.turn(false))
		return
	}
	s.points = s.points[:n-1]
	s.take(s.l.latency.turn(true))
}

// take makes a point of what lies between from and now, whose latencies h has.
func (s *series) take(h *hdrhistogram.Histogram) {
	s.to = s.l.edge()
	length := s.to.at.Sub(s.from.at).Seconds()
	p := Point{
		At: round(s.to.at.Sub(s.begin).Seconds()), Seconds: round(length), Calls: h.TotalCount(),
		PerSecond: round(float64(s.to.units-s.from.units) / max(length, 1e-6)), // a window may be over at once
		RSS:       s.to.rss, Checkpoints: s.to.checkpoints - s.from.checkpoints, Segments: s.to.segments - s.from.segments,
	}
	if p.Calls > 0 {
		p.P50, p.P99, p.P999 = millisAt(h, 50), millisAt(h, 99), millisAt(h, 99.9)
	}
	s.points = append(s.points, p)
}

// round keeps thousandths: more is noise, and makes the line of JSON long.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }

// stop takes the last point.
func (s *series) stop() []Point {
	close(s.stopped)
	s.done.Wait()
	return s.points
}

func millisAt(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtQuantile(percentile)) / 1000
}

// distribution reads a histogram at percentiles that are as fine near 100 as the
// number of calls allows: 0, 20, 40 ... 90, 92 ... 99, 99.2 ... and 100.
func distribution(h *hdrhistogram.Histogram) []Quantile {
	calls := h.TotalCount()
	if calls == 0 {
		return []Quantile{}
	}
	var list []Quantile
	for rest := 100.0; rest/100*float64(calls) >= 1; rest /= 10 {
		for _, part := range []float64{1, .8, .6, .5, .4, .3, .2} {
			p := math.Round((100-rest*part)*1e9) / 1e9
			list = append(list, Quantile{p, millisAt(h, p)})
		}
	}
	return append(list, Quantile{100, float64(h.Max()) / 1000})
}

// MedianP50 is the p50 of the median second with calls; 0 without any.
func MedianP50(points []Point) float64 {
	var list []float64
	for _, p := range points {
		if p.Calls > 0 {
			list = append(list, p.P50)
		}
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// worstSecond is the highest p99.9 of any second, over the median second's p50;
// 0 without calls.
func worstSecond(points []Point) float64 {
	middle, worst := MedianP50(points), 0.0
	if middle == 0 {
		return 0
	}
	for _, p := range points {
		worst = max(worst, p.P999)
	}
	return worst / middle
}
