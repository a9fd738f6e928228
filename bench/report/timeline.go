package report

import (
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
)

// fewestPoints is how many seconds a run must have lasted to be worth a plot.
const fewestPoints = 3

// limitOver is the bound for a run at a fixed rate: p99.9 of each second over
// the median second's p50.
const limitOver = 10

// timelines shows the runs second by second. Runs at a fixed rate are open, else
// the fastest; the others can be opened.
func (s *sheet) timelines() (list []timeline) {
	best, fixed := s.best(), slices.ContainsFunc(s.rows, func(r rows.Row) bool { return r.Rate > 0 })
	for i := range s.rows {
		r := &s.rows[i]
		if len(r.Series) < fewestPoints {
			continue
		}
		t := timeline{Title: s.labels[i], Open: r.Rate > 0 || !fixed && i == best}
		t.Lead = fmt.Sprintf("The p99.9 of the worst second was %s times the p50 of the median second%s. In %s: %s and %s of the commit log.",
			digits(r.WorstSecond, 3), verdict(r), seconds(r.Seconds), count(int(r.Checkpoints), "complete checkpoint"), count(segments(r.Series), "new segment"))
		t.Figures = []figure{s.rateOverTime(r.Series), s.latencyOverTime(r.Series), s.memoryOverTime(r.Series)}
		list = append(list, t)
	}
	return list
}

// verdict says whether a run at a fixed rate was steady.
func verdict(r *rows.Row) string {
	switch {
	case r.Rate == 0:
		return ""
	case r.WorstSecond > limitOver:
		return fmt.Sprintf(" (limit %d: not met)", limitOver)
	}
	return fmt.Sprintf(" (limit %d: met)", limitOver)
}

func segments(series []bench.Point) (n int) {
	for _, p := range series {
		n += int(p.Segments)
	}
	return n
}

// overTime begins a plot of a series: its scale, its marks and their legend.
func overTime(series []bench.Point) (*plot, []legend) {
	p := &plot{x: steps(series[len(series)-1].At, 6, short), xName: "seconds"}
	var kinds []legend
	for row, kind := range []struct {
		class, name string
		of          func(bench.Point) int64
	}{
		{"segment", "seconds with a new segment of the log", func(p bench.Point) int64 { return p.Segments }},
		{"checkpoint", "seconds with a checkpoint complete", func(p bench.Point) int64 { return p.Checkpoints }},
	} {
		most := int64(0)
		for _, pt := range series {
			if n := kind.of(pt); n > 0 {
				p.marks, most = append(p.marks, mark{pt.At - pt.Seconds, pt.At, n, kind.class, row}), max(most, n)
			}
		}
		switch {
		case most > thickestMark:
			kind.name += fmt.Sprintf(", thicker with 2, and with %d to %d", thickestMark, most)
		case most > 1:
			kind.name += fmt.Sprintf(", thicker with up to %d", most)
		}
		if most > 0 {
			kinds = append(kinds, legend{kind.class, kind.name})
		}
	}
	return p, kinds
}

// middleOf is the moment that stands for a point.
func middleOf(p bench.Point) float64 { return p.At - p.Seconds/2 }

// lineOver is one figure of each point.
func lineOver(series []bench.Point, name, class string, of func(bench.Point) float64) line {
	l := line{name: name, class: class}
	for _, p := range series {
		l.xs, l.ys = append(l.xs, middleOf(p)), append(l.ys, of(p))
	}
	return l
}

func (s *sheet) rateOverTime(series []bench.Point) figure {
	p, marks := overTime(series)
	l := lineOver(series, "throughput", lineClass(0), func(p bench.Point) float64 { return p.PerSecond })
	p.lines, p.y = []line{l}, linear(slices.Max(l.ys), 4, short)
	f := figure{Title: "Throughput over time", Sub: s.units + " a second", Legend: marks,
		Table: table{Head: []string{"second", "per second", "calls", "checkpoints", "segments"}}}
	for _, pt := range series {
		f.Table.Rows = append(f.Table.Rows, []string{digits(pt.At, 3), whole(pt.PerSecond), whole(float64(pt.Calls)), whole(float64(pt.Checkpoints)), whole(float64(pt.Segments))})
	}
	return s.add(f, p, true)
}

func (s *sheet) latencyOverTime(series []bench.Point) figure {
	p, marks := overTime(series)
	p.lines = []line{
		lineOver(series, "p50", lineClass(0), func(p bench.Point) float64 { return p.P50 }),
		lineOver(series, "p99", lineClass(1), func(p bench.Point) float64 { return p.P99 }),
		lineOver(series, "p99.9", lineClass(2), func(p bench.Point) float64 { return p.P999 }),
	}
	f := figure{Title: "Latency over time", Sub: "of the calls that ended in each second, logarithmic", Table: table{Head: []string{"second", "p50", "p99", "p99.9"}}}
	var all []float64
	for _, l := range p.lines {
		f.Legend = append(f.Legend, legend{l.class, l.name})
		all = append(all, l.ys...)
	}
	if middle := bench.MedianP50(series); middle > 0 {
		limit := limitOver * middle
		p.rules, all = []rule{{limit, "limit"}}, append(all, limit)
		f.Legend = append(f.Legend, legend{"limit", fmt.Sprintf("%d times the median p50, %s", limitOver, millis(limit))})
	}
	f.Legend = append(f.Legend, marks...)
	p.y = logarithmic(all, millis)
	for _, pt := range series {
		f.Table.Rows = append(f.Table.Rows, []string{digits(pt.At, 3), millis(pt.P50), millis(pt.P99), millis(pt.P999)})
	}
	return s.add(f, p, true)
}

func (s *sheet) memoryOverTime(series []bench.Point) figure {
	p, marks := overTime(series)
	l := lineOver(series, "resident memory", lineClass(0), func(p bench.Point) float64 { return float64(p.RSS) })
	p.lines, p.y = []line{l}, linear(slices.Max(l.ys), 4, megabytes)
	f := figure{Title: "Memory over time", Sub: "resident memory of the process", Legend: marks, Table: table{Head: []string{"second", "memory"}}}
	for _, pt := range series {
		f.Table.Rows = append(f.Table.Rows, []string{digits(pt.At, 3), megabytes(float64(pt.RSS))})
	}
	return s.add(f, p, true)
}
