package report

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/bench/rows"
)

// sheet is one workload in the making.
type sheet struct {
	id     string // safe in HTML, as names from files are not
	name   string
	unit   string // as in "per word"
	units  string // as in "words a second"
	rows   []rows.Row
	labels []string // of the rows: what tells them apart
	n      int      // figures so far: they have numbers
	err    error    // the first
}

func newSheet(id, name string, list []rows.Row) *sheet {
	return &sheet{id: id, name: name, unit: list[0].Unit, units: plural(list[0].Unit), rows: list, labels: labels(list)}
}

// plural is that of a unit of work.
func plural(unit string) string {
	if stem, ok := strings.CutSuffix(unit, "y"); ok {
		return stem + "ies"
	}
	return unit + "s"
}

// trait is something that may tell rows apart.
type trait struct {
	name string
	of   func(r *rows.Row) string
}

func clientsOf(r *rows.Row) string {
	if r.Rate > 0 {
		return short(r.Rate) + " a second"
	}
	return count(r.Clients, "client")
}

// traits lists the settings of a run, in the order of a label.
var traits = []trait{
	{"clients", clientsOf},
	{"release", func(r *rows.Row) string { return r.Release }},
	{"partitions", func(r *rows.Row) string { return count(r.Partitions, "partition") }},
	{"preload", func(r *rows.Row) string { return short(float64(r.Preload)) + " preloaded" }},
	{"memory", func(r *rows.Row) string { return fmt.Sprint(rows.SettingsOf(&r.Result).Memory, " MiB") }},
	{"count", func(r *rows.Row) string { return "count " + short(float64(r.Count)) }},
	{"processors", func(r *rows.Row) string { return count(r.CPUs, "processor") }},
	{"environment", func(r *rows.Row) string { return r.Environment }},
}

// origins tell apart runs with the same settings.
var origins = []trait{
	{"version", func(r *rows.Row) string { return r.Version }},
	{"source", func(r *rows.Row) string { return r.Source }},
}

// distinctive are the settings by which rows differ, and as many origins as it
// takes to tell them apart.
func distinctive(list []rows.Row) (found []trait) {
	for _, t := range traits {
		first := t.of(&list[0])
		if slices.ContainsFunc(list, func(r rows.Row) bool { return t.of(&r) != first }) {
			found = append(found, t)
		}
	}
	for _, o := range origins {
		if more := append(slices.Clone(found), o); distinct(list, more) > distinct(list, found) {
			found = more
		}
	}
	return found
}

func distinct(list []rows.Row, by []trait) int {
	seen := map[string]bool{}
	for i := range list {
		seen[labelOf(&list[i], by)] = true
	}
	return len(seen)
}

func labelOf(r *rows.Row, by []trait) string {
	var parts []string
	for _, t := range by {
		if s := t.of(r); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// labels names each row by what tells it from the others; runs of the same thing
// are numbered.
func labels(list []rows.Row) []string {
	by := distinctive(list)
	if len(by) == 0 {
		by = traits[:1]
	}
	names, seen := make([]string, len(list)), map[string]int{}
	for i := range list {
		names[i] = labelOf(&list[i], by)
		seen[names[i]]++
	}
	next := map[string]int{}
	for i, n := range names {
		if seen[n] > 1 {
			next[n]++
			names[i] = fmt.Sprintf("%s #%d", n, next[n])
		}
	}
	return names
}

// section draws all that there is to show.
func (s *sheet) section() (section, error) {
	sec := section{
		ID: s.id, Title: s.name, Lead: s.lead(), Tiles: s.tiles(), Runs: s.runs(), Notes: s.notes(), Commands: s.commands(),
	}
	sec.Figures = slices.Concat(s.byClients(), s.throughputs(), s.distributions(), s.costs())
	sec.Timelines = s.timelines()
	return sec, s.err
}

// figureID numbers the figures of a page.
func (s *sheet) figureID() string {
	s.n++
	return s.id + "-" + strconv.Itoa(s.n)
}

// add draws a plot into a figure; wide says whether it is worth a desk's width.
func (s *sheet) add(f figure, p *plot, wide bool) figure {
	f.ID = s.figureID()
	f.Table.Caption = f.Title + ", numbers"
	p.title, p.desc = f.Title, f.Sub+". "+describe(p)
	f.Narrow = s.drawn(p.svg(f.ID, narrowWidth))
	if wide {
		f.Wide = s.drawn(p.svg(f.ID+"w", wideWidth))
	}
	return f
}

func (s *sheet) drawn(svg template.HTML, err error) template.HTML {
	if s.err == nil {
		s.err = err
	}
	return svg
}

// describe says what a plot shows, for those who cannot see it.
func describe(p *plot) string {
	var parts []string
	for _, l := range p.lines {
		if len(l.ys) > 0 {
			parts = append(parts, fmt.Sprintf("%s: from %s to %s, between %s and %s", l.name,
				digits(l.ys[0], 3), digits(l.ys[len(l.ys)-1], 3), digits(slices.Min(l.ys), 3), digits(slices.Max(l.ys), 3)))
		}
	}
	return strings.Join(parts, "; ") + "."
}

// lineClass is the class of line i in the style sheet.
func lineClass(i int) string { return "l" + strconv.Itoa(i%lineClasses+1) }

// lineClasses is how many kinds of lines can be told apart.
const lineClasses = 6
