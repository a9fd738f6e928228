package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
)

// curve is the rows that differ by the number of clients only.
type curve struct {
	name string
	rows []rows.Row // by clients; of several runs, the one in the middle
}

// curves lists all, down to those of one point; none if there is nothing but
// such points, which are better compared as bars.
func (s *sheet) curves() (list []curve) {
	by := slices.DeleteFunc(distinctive(s.rows), func(t trait) bool { return t.name == "clients" })
	for i := range s.rows {
		r := &s.rows[i]
		if r.Rate > 0 {
			continue
		}
		name := labelOf(r, by)
		at := slices.IndexFunc(list, func(c curve) bool { return c.name == name })
		if at < 0 {
			at, list = len(list), append(list, curve{name: name})
		}
		list[at].rows = append(list[at].rows, *r)
	}
	for i := range list {
		list[i].rows = middles(list[i].rows)
	}
	if !slices.ContainsFunc(list, func(c curve) bool { return len(c.rows) > 1 }) {
		return nil
	}
	return list
}

// middles keeps one of the runs with the same number of clients.
func middles(list []rows.Row) (kept []rows.Row) {
	slices.SortStableFunc(list, func(a, b rows.Row) int {
		return cmp.Or(cmp.Compare(a.Clients, b.Clients), cmp.Compare(a.PerSecond, b.PerSecond))
	})
	for from := 0; from < len(list); {
		to := from
		for to < len(list) && list[to].Clients == list[from].Clients {
			to++
		}
		kept = append(kept, list[(from+to-1)/2])
		from = to
	}
	return kept
}

// byClients plots throughput and latency over the number of clients.
func (s *sheet) byClients() []figure {
	curves := s.curves()
	if len(curves) == 0 {
		return nil
	}
	figures := []figure{s.overClients(curves, "Throughput by clients", fmt.Sprintf("%s a second; more is better", s.units), false, short,
		func(r *rows.Row) float64 { return r.PerSecond })}
	if len(curves) > 1 {
		return append(figures,
			s.overClients(curves, "Median latency by clients", "p50 of a call, logarithmic; less is better", true, millis, func(r *rows.Row) float64 { return r.P50 }),
			s.overClients(curves, "Tail latency by clients", "p99 of a call, logarithmic; less is better", true, millis, func(r *rows.Row) float64 { return r.P99 }))
	}
	p := &plot{x: clientScale(curves), xName: "clients"}
	f := figure{Title: "Latency by clients", Sub: "of a call, logarithmic; less is better", Table: table{Head: []string{"clients", "p50", "p99", "p99.9"}}}
	var all []float64
	for i, q := range []struct {
		name string
		of   func(r *rows.Row) float64
	}{{"p50", func(r *rows.Row) float64 { return r.P50 }}, {"p99", func(r *rows.Row) float64 { return r.P99 }}, {"p99.9", func(r *rows.Row) float64 { return r.P999 }}} {
		l := clientLine(curves[0], q.of)
		l.name, l.class = q.name, lineClass(i)
		p.lines, f.Legend = append(p.lines, l), append(f.Legend, legend{l.class, l.name})
		all = append(all, l.ys...)
	}
	p.y = logarithmic(all, millis)
	for i := range curves[0].rows {
		r := &curves[0].rows[i]
		f.Table.Rows = append(f.Table.Rows, []string{whole(float64(r.Clients)), millis(r.P50), millis(r.P99), millis(r.P999)})
	}
	return append(figures, s.add(f, p, false))
}

// overClients plots one figure of all curves.
func (s *sheet) overClients(curves []curve, title, sub string, log bool, text func(float64) string, of func(r *rows.Row) float64) figure {
	p := &plot{x: clientScale(curves), xName: "clients"}
	f := figure{Title: title, Sub: sub, Table: table{Head: []string{"clients"}}}
	var all []float64
	for i, c := range curves {
		l := clientLine(c, of)
		l.name, l.class = cmp.Or(c.name, title), lineClass(i)
		p.lines, all = append(p.lines, l), append(all, l.ys...)
		f.Table.Head = append(f.Table.Head, cmp.Or(c.name, "value"))
		if len(curves) > 1 {
			f.Legend = append(f.Legend, legend{l.class, l.name})
		}
	}
	if p.y = linear(slices.Max(all), 4, text); log {
		p.y = logarithmic(all, text)
	}
	for _, n := range clientCounts(curves) {
		cells := []string{whole(float64(n))}
		for _, c := range curves {
			cell := "–"
			for i := range c.rows {
				if c.rows[i].Clients == n {
					cell = tableText(of(&c.rows[i]), log)
				}
			}
			cells = append(cells, cell)
		}
		f.Table.Rows = append(f.Table.Rows, cells)
	}
	return s.add(f, p, false)
}

func tableText(v float64, isTime bool) string {
	if isTime {
		return millis(v)
	}
	return whole(v)
}

func clientLine(c curve, of func(r *rows.Row) float64) line {
	l := line{dots: true}
	for i := range c.rows {
		l.xs, l.ys = append(l.xs, float64(c.rows[i].Clients)), append(l.ys, of(&c.rows[i]))
	}
	return l
}

func clientCounts(curves []curve) (list []int) {
	for _, c := range curves {
		for _, r := range c.rows {
			list = append(list, r.Clients)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// wideRange is from which ratio on clients are spread logarithmically.
const wideRange = 6

// clientScale marks exactly the numbers of clients that were run.
func clientScale(curves []curve) *scale {
	counts := clientCounts(curves)
	s := &scale{min: float64(counts[0]), max: float64(counts[len(counts)-1])}
	s.log = s.max/s.min >= wideRange
	for _, n := range counts {
		s.ticks = append(s.ticks, tick{float64(n), short(float64(n))})
	}
	return s
}

// throughputs compares rows that are on no curve.
func (s *sheet) throughputs() []figure {
	if len(s.rows) < 2 || len(s.curves()) > 0 {
		return nil
	}
	return []figure{s.amounts("Throughput", s.units+" a second; more is better", whole, func(r *rows.Row) float64 { return r.PerSecond })}
}

// costs are what a unit takes.
func (s *sheet) costs() (list []figure) {
	if len(s.rows) == 1 {
		return []figure{s.bytesOfOne()}
	}
	each := " per " + s.unit + "; less is better"
	for _, c := range []struct {
		title, sub string
		of         func(r *rows.Row) float64
	}{
		{"Cost: CPU", "microseconds of the whole process, checkpoints included," + each, func(r *rows.Row) float64 { return r.CPUPerOp }},
		{"Cost: log", "bytes of log records" + each, func(r *rows.Row) float64 { return r.LogBytesPerOp }},
		{"Cost: store", "bytes written by the state store, compactions included," + each, func(r *rows.Row) float64 { return r.StoreBytesPerOp }},
		{"Cost: syncs", "syncs of the commit log" + each, func(r *rows.Row) float64 { return r.SyncsPerOp }},
		{"Cost: device", "bytes written to the disk by everybody," + each, func(r *rows.Row) float64 { return r.DeviceBytesPerOp }},
	} {
		if slices.ContainsFunc(s.rows, func(r rows.Row) bool { return c.of(&r) > 0 }) {
			list = append(list, s.amounts(c.title, c.sub, whole, c.of))
		}
	}
	return list
}

// bytesOfOne shows what a single run wrote: there is nothing to compare with.
func (s *sheet) bytesOfOne() figure {
	r := &s.rows[0]
	var list []bar
	for _, b := range []struct {
		label string
		value float64
	}{{"log records", r.LogBytesPerOp}, {"state store, compactions included", r.StoreBytesPerOp}, {"block device, by everybody", r.DeviceBytesPerOp}} {
		list = append(list, bar{b.label, b.value, whole(b.value)})
	}
	return s.barFigure("Cost: bytes", "written per "+s.unit+"; less is better", "where", list)
}

// amounts draws a figure of all rows as bars.
func (s *sheet) amounts(title, sub string, text func(float64) string, of func(r *rows.Row) float64) figure {
	var list []bar
	for i := range s.rows {
		v := of(&s.rows[i])
		list = append(list, bar{s.labels[i], v, text(v)})
	}
	return s.barFigure(title, sub, "run", list)
}

func (s *sheet) barFigure(title, sub, of string, list []bar) figure {
	f := figure{ID: s.figureID(), Title: title, Sub: sub, Table: table{Caption: title + ", numbers", Head: []string{of, "amount"}}}
	var said []string
	for _, b := range list {
		said = append(said, b.label+": "+b.text)
		f.Table.Rows = append(f.Table.Rows, []string{b.label, b.text})
	}
	f.Narrow = s.drawn(bars(f.ID, title, sub+". "+strings.Join(said, "; ")+".", list))
	return f
}

// farBelow is by how much a limit may lie below what is plotted and still mean
// something to it.
const farBelow = 50

// distributions plots the percentiles of a few rows.
func (s *sheet) distributions() []figure {
	p := &plot{xName: "percent of calls that were faster"}
	f := figure{Title: "Latency distribution", Sub: "of a call, logarithmic; a flat line is steady", Table: table{Head: []string{"percentile"}}}
	var all []float64
	var chosen []int
	furthest := 0.0
	have := s.withDistribution()
	for _, i := range s.shown(have) {
		r := &s.rows[i]
		l := line{name: s.labels[i], class: lineClass(len(chosen))}
		for _, q := range r.Percentiles {
			at := nineScale(q, r.Calls)
			l.xs, l.ys = append(l.xs, at), append(l.ys, q.Millis)
			furthest = max(furthest, at)
		}
		chosen, p.lines, all = append(chosen, i), append(p.lines, l), append(all, l.ys...)
		f.Legend, f.Table.Head = append(f.Legend, legend{l.class, l.name}), append(f.Table.Head, l.name)
	}
	if len(chosen) == 0 {
		return nil
	}
	if sync := s.rows[chosen[0]].FdatasyncP50; sync > 0 && sync*farBelow > slices.Min(all) {
		p.rules, all = []rule{{sync, "limit"}}, append(all, sync)
		f.Legend = append(f.Legend, legend{"limit", "a 4 KiB fdatasync of this disk, " + millis(sync)})
	}
	if len(chosen) < len(have) {
		f.Sub += fmt.Sprintf("; %d of %d runs shown", len(chosen), len(have))
	}
	p.x, p.y = percentileScale(furthest), logarithmic(all, millis)
	for _, percent := range []float64{50, 90, 95, 99, 99.9, 99.99, 100} {
		cells := []string{nines(percent)}
		for _, i := range chosen {
			cells = append(cells, at(s.rows[i].Percentiles, percent))
		}
		f.Table.Rows = append(f.Table.Rows, cells)
	}
	return []figure{s.add(f, p, false)}
}

// withDistribution lists the rows that have one: those of older versions have none.
func (s *sheet) withDistribution() (list []int) {
	for i := range s.rows {
		if len(s.rows[i].Percentiles) > 1 {
			list = append(list, i)
		}
	}
	return list
}

// shown picks as many of some rows as lines can be told apart, the best row among
// them.
func (s *sheet) shown(of []int) (list []int) {
	for _, i := range spreadOut(len(of), lineClasses) {
		list = append(list, of[i])
	}
	if best := s.best(); slices.Contains(of, best) && !slices.Contains(list, best) {
		// In place of the nearest one, but for the ends.
		nearest := 1
		for i := 1; i < len(list)-1; i++ {
			if abs(list[i]-best) < abs(list[nearest]-best) {
				nearest = i
			}
		}
		list[nearest] = best
	}
	return list
}

func abs(n int) int { return max(n, -n) }

// nineScale spreads percentiles by how many calls were slower: 90, 99 and 99.9
// are 1, 2 and 3. The slowest call of all stands where one in all calls does.
func nineScale(q bench.Quantile, calls int64) float64 {
	slower := max((100-q.Percentile)/100, 1/float64(max(calls, 2)))
	return -math.Log10(slower)
}

func percentileScale(furthest float64) *scale {
	s := &scale{max: max(furthest, 1)}
	for _, percent := range []float64{50, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		if at := nineScale(bench.Quantile{Percentile: percent}, math.MaxInt64); at <= s.max {
			s.ticks = append(s.ticks, tick{at, strconv.FormatFloat(percent, 'f', -1, 64)})
		}
	}
	return s
}

// at reads a distribution at one of its percentiles.
func at(d []bench.Quantile, percentile float64) string {
	for _, q := range d {
		if q.Percentile == percentile {
			return millis(q.Millis)
		}
	}
	return "–"
}

// spreadOut picks at most limit of n things, the first and the last among them.
func spreadOut(n, limit int) (list []int) {
	for i := range min(n, limit) {
		if n <= limit {
			list = append(list, i)
		} else {
			list = append(list, i*(n-1)/(limit-1))
		}
	}
	return list
}
