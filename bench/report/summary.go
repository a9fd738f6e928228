package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
)

// best is the row with the highest throughput.
func (s *sheet) best() int {
	best := 0
	for i := range s.rows {
		if s.rows[i].PerSecond > s.rows[best].PerSecond {
			best = i
		}
	}
	return best
}

// alone is the first row of a single client, -1 if there is none.
func (s *sheet) alone() int {
	for i := range s.rows {
		if s.rows[i].Clients == 1 && s.rows[i].Rate == 0 {
			return i
		}
	}
	return -1
}

// lead is the section in one sentence.
func (s *sheet) lead() string {
	b := &s.rows[s.best()]
	text := fmt.Sprintf("%s %s a second with %s", whole(b.PerSecond), s.units, clientsOf(b))
	if b.Rate > 0 {
		text = fmt.Sprintf("%s %s a second", whole(b.PerSecond), s.units)
	}
	text += fmt.Sprintf(", %s and %s bytes of log for each", whole(b.CPUPerOp)+" µs of CPU", whole(b.LogBytesPerOp))
	// Of calls that are one unit each: a pass over a book is no lone call.
	if i := s.alone(); i >= 0 && s.rows[i].FdatasyncP50 > 0 && s.rows[i].Completed == s.rows[i].Calls {
		a := &s.rows[i]
		text += fmt.Sprintf("; a lone call takes %s, %s as long as a 4 KiB fdatasync of this disk", millis(a.P50), times(a.P50/a.FdatasyncP50))
	}
	return text + "."
}

// tiles are the figures that matter most. Each says of which run it is.
func (s *sheet) tiles() []tile {
	at := s.best()
	b := &s.rows[at]
	list := []tile{
		{"Throughput", rate(b.PerSecond) + "/s", s.labels[at]},
		{"Latency, p50", millis(b.P50), s.labels[at]},
		{"Latency, p99", millis(b.P99), s.labels[at]},
	}
	if i := s.alone(); i >= 0 && i != at {
		a := &s.rows[i]
		list[1] = tile{"Alone, p50", millis(a.P50), s.of(i, whole(a.SyncsPerOp)+" syncs each")}
	}
	list = append(list,
		tile{"CPU", whole(b.CPUPerOp) + " µs", s.of(at, "per "+s.unit)},
		tile{"Log", whole(b.LogBytesPerOp) + " B", s.of(at, "per "+s.unit)},
		tile{"Store", whole(b.StoreBytesPerOp) + " B", s.of(at, "per "+s.unit)},
		tile{"Syncs", whole(b.SyncsPerOp), s.of(at, "per "+s.unit)},
		tile{"Memory", megabytes(float64(b.PeakRSS)), s.of(at, "at the peak")},
		tile{"Recovery", millis(b.RecoveryMillis), s.of(at, "after SIGKILL")},
	)
	if i := s.steadiest(); s.rows[i].WorstSecond > 0 {
		list = append(list, tile{"Worst second", times(s.rows[i].WorstSecond), s.of(i, "its p99.9 over the median p50")})
	}
	if b.OfPlainLoop > 0 {
		list = append(list, tile{"Of a plain loop", digits(b.OfPlainLoop*100, 3) + " %", s.of(at, "on the same processors")})
	}
	for i := range s.rows {
		r := &s.rows[i]
		if r.QueryMillis > 0 {
			list = append(list, tile{"Query", millis(r.QueryMillis), s.of(i, fmt.Sprintf("first page among %s", whole(float64(r.Preload))))})
		}
		if r.EventP50 > 0 {
			list = append(list, tile{"Lone event, p50", millis(r.EventP50), s.of(i, "to a random one of those that wait")})
		}
	}
	return list
}

// of adds to a note of which run it is, where there are several.
func (s *sheet) of(i int, note string) string {
	if len(s.rows) == 1 {
		return note
	}
	return note + "; " + s.labels[i]
}

// rate fits a tile.
func rate(v float64) string {
	if v >= 1e6 {
		return short(v)
	}
	return whole(v)
}

// steadiest is the run at a fixed rate, or else the best one.
func (s *sheet) steadiest() int {
	at := s.best()
	for i := range s.rows {
		if s.rows[i].Rate > 0 {
			at = i
		}
	}
	return at
}

// column is one of the table of runs.
type column struct {
	head  string
	field string
	of    func(r *rows.Row) string
}

var columns = []column{
	{"per second", "per_second", func(r *rows.Row) string { return whole(r.PerSecond) }},
	{"p50", "p50_ms", func(r *rows.Row) string { return millis(r.P50) }},
	{"p99", "p99_ms", func(r *rows.Row) string { return millis(r.P99) }},
	{"p99.9", "p999_ms", func(r *rows.Row) string { return millis(r.P999) }},
	{"worst second", "worst_second_p999_over_p50", func(r *rows.Row) string { return times(r.WorstSecond) }},
	{"CPU µs", "cpu_us_per_op", func(r *rows.Row) string { return whole(r.CPUPerOp) }},
	{"log B", "log_bytes_per_op", func(r *rows.Row) string { return whole(r.LogBytesPerOp) }},
	{"store B", "store_bytes_per_op", func(r *rows.Row) string { return whole(r.StoreBytesPerOp) }},
	{"syncs", "syncs_per_op", func(r *rows.Row) string { return whole(r.SyncsPerOp) }},
	{"checkpoints", "checkpoints", func(r *rows.Row) string { return whole(float64(r.Checkpoints)) }},
	{"recovery", "recovery_ms", func(r *rows.Row) string { return millis(r.RecoveryMillis) }},
	{"peak MB", "peak_rss_bytes", func(r *rows.Row) string { return whole(float64(r.PeakRSS) / 1e6) }},
	{"fdatasync", "fdatasync_p50_ms", func(r *rows.Row) string { return millis(r.FdatasyncP50) }},
	{"counts", "counts", func(r *rows.Row) string {
		if r.Counts {
			return "yes"
		}
		return "no"
	}},
}

// runs is the table of all rows.
func (s *sheet) runs() table {
	t := table{Caption: "All runs of " + s.name + "; CPU, bytes and syncs are per " + s.unit, Head: []string{"run"}}
	for _, c := range columns {
		t.Head = append(t.Head, c.head)
	}
	for i := range s.rows {
		r := &s.rows[i]
		cells := []string{s.labels[i]}
		for _, c := range columns {
			if r.Has(c.field) {
				cells = append(cells, c.of(r))
			} else {
				cells = append(cells, "–")
			}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// notes say which rows do not count, and why.
func (s *sheet) notes() (list []string) {
	for i := range s.rows {
		if r := &s.rows[i]; !r.Counts && r.WhyNot != "" {
			list = append(list, fmt.Sprintf("%s: %s", s.labels[i], r.WhyNot))
		}
	}
	return list
}

// commands repeat the runs.
func (s *sheet) commands() (list []string) {
	for i := range s.rows {
		r := &s.rows[i]
		parts := []string{"netherite bench", s.name}
		if r.Rate == 0 {
			parts = append(parts, fmt.Sprint("--clients ", r.Clients))
		}
		if r.Count > 0 {
			parts = append(parts, fmt.Sprint("--count ", r.Count))
		} else {
			parts = append(parts, fmt.Sprintf("--duration %ds", int(math.Max(math.Round(r.Seconds), 1))))
		}
		if r.Has("warmup_seconds") {
			parts = append(parts, fmt.Sprint("--warmup ", time.Duration(r.WarmupSeconds*float64(time.Second))))
		}
		if r.Rate > 0 {
			parts = append(parts, fmt.Sprintf("--rate %g", r.Rate))
		}
		if r.Preload > 0 {
			parts = append(parts, fmt.Sprint("--preload ", r.Preload))
		}
		parts = append(parts, fmt.Sprint("--partitions ", r.Partitions), "--release "+r.Release)
		if m := rows.SettingsOf(&r.Result).Memory; m != bench.DefaultMemory {
			parts = append(parts, fmt.Sprint("--memory ", m))
		}
		list = append(list, strings.Join(parts, " "))
	}
	return list
}
