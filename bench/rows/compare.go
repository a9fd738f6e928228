package rows

import (
	"fmt"
	"math"
	"slices"
)

// Comparison is what Compare found.
type Comparison struct {
	Pairs []Pair     `json:"pairs"`
	OnlyA []Settings `json:"only_a"` // without a counterpart in B
	OnlyB []Settings `json:"only_b"`
}

// Pair compares runs with the same settings, or with similar ones.
type Pair struct {
	Settings          // of A
	RowsA    int      `json:"rows_a"` // runs behind the figures
	RowsB    int      `json:"rows_b"`
	VersionA string   `json:"version_a"`
	VersionB string   `json:"version_b"`
	Figures  []Change `json:"figures"`
	// Warnings say what makes the comparison unfair, or a figure doubtful.
	Warnings []string `json:"warnings"`
}

// Change is one figure of both: the median, where there are several runs.
type Change struct {
	Figure  string   `json:"figure"`
	A       float64  `json:"a"`
	B       float64  `json:"b"`
	Percent *float64 `json:"change_percent"` // null if A is 0
	Better  string   `json:"better"`         // higher or lower
	Verdict Verdict  `json:"verdict"`
}

// Verdict is what a change means.
type Verdict string

const (
	// VerdictBetter: the figure moved the right way.
	VerdictBetter Verdict = "better"
	// VerdictWorse: it moved the wrong way.
	VerdictWorse Verdict = "worse"
	// VerdictSame: it moved by less than 1 %.
	VerdictSame Verdict = "same"
	// VerdictUnclear: the runs of A and B overlap, or there is one of each only.
	VerdictUnclear Verdict = "unclear"
)

// samePercent is the change below which a figure has not moved.
const samePercent = 1

// Compare pairs rows with the same settings, in any order; then, workload by
// workload, what is left in the order in which it stands, with a warning; rows of
// different workloads are never compared. Rows
// of one side that have the same settings are runs of the same thing.
func Compare(a, b []Row) Comparison {
	left, right := groups(a), groups(b)
	partner, taken := slices.Repeat([]int{-1}, len(left)), make([]bool, len(right))
	match := func(alike func(a, b Settings) bool) {
		for i, g := range left {
			for j := range right {
				if partner[i] < 0 && !taken[j] && alike(g.Settings, right[j].Settings) {
					partner[i], taken[j] = j, true
				}
			}
		}
	}
	match(func(a, b Settings) bool { return a == b })
	match(func(a, b Settings) bool { return a.Workload == b.Workload })
	c := Comparison{Pairs: []Pair{}, OnlyA: []Settings{}, OnlyB: []Settings{}}
	for i, g := range left {
		if j := partner[i]; j >= 0 {
			c.Pairs = append(c.Pairs, pair(g, right[j]))
		} else {
			c.OnlyA = append(c.OnlyA, g.Settings)
		}
	}
	for j, g := range right {
		if !taken[j] {
			c.OnlyB = append(c.OnlyB, g.Settings)
		}
	}
	return c
}

// group is the runs of one side with the same settings.
type group struct {
	Settings
	rows []Row
}

// groups keeps the order of the first of each.
func groups(rows []Row) (list []group) {
	for _, r := range rows {
		s := SettingsOf(&r.Result)
		i := slices.IndexFunc(list, func(g group) bool { return g.Settings == s })
		if i < 0 {
			i, list = len(list), append(list, group{Settings: s})
		}
		list[i].rows = append(list[i].rows, r)
	}
	return list
}

func pair(a, b group) Pair {
	p := Pair{
		Settings: a.Settings, RowsA: len(a.rows), RowsB: len(b.rows),
		VersionA: a.rows[0].Version, VersionB: b.rows[0].Version,
		Figures: []Change{}, Warnings: warnings(a, b),
	}
	for _, f := range Figures {
		va, vb := a.values(f), b.values(f)
		if len(va) == 0 || len(vb) == 0 {
			continue // an older version did not measure it
		}
		if va[len(va)-1] == 0 && vb[len(vb)-1] == 0 && f.Rare {
			continue // does not belong to the workload
		}
		p.Figures = append(p.Figures, change(f, va, vb))
	}
	return p
}

// values lists a figure of all runs that have it, ascending.
func (g group) values(f Figure) (list []float64) {
	for i := range g.rows {
		if r := &g.rows[i]; r.Has(f.Name) {
			list = append(list, f.Of(&r.Result))
		}
	}
	slices.Sort(list)
	return list
}

func change(f Figure, a, b []float64) Change {
	c := Change{Figure: f.Name, A: middle(a), B: middle(b), Better: "lower", Verdict: VerdictSame}
	if f.Higher {
		c.Better = "higher"
	}
	if c.A != 0 {
		percent := (c.B - c.A) / c.A * 100
		c.Percent = &percent
	}
	switch overlap := a[0] <= b[len(b)-1] && b[0] <= a[len(a)-1]; {
	case c.A == c.B:
	case len(a) == 1 && len(b) == 1:
		c.Verdict = VerdictUnclear // one run says nothing about noise
	case c.Percent != nil && math.Abs(*c.Percent) < samePercent:
	case overlap:
		c.Verdict = VerdictUnclear
	case (c.B > c.A) == f.Higher:
		c.Verdict = VerdictBetter
	default:
		c.Verdict = VerdictWorse
	}
	return c
}

// middle is the median of ascending values.
func middle(v []float64) float64 {
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// diskRatio is by how much the disk's own speed may differ.
const diskRatio = 1.5

// unversioned is the version of a program that was built without one.
const unversioned = "devel"

func warnings(a, b group) []string {
	list := append([]string{}, a.differences(b.Settings)...)
	ra, rb := a.rows[0], b.rows[0]
	for _, d := range []struct{ name, a, b string }{
		{"platform", ra.Platform, rb.Platform},
		{"cpu", ra.CPU, rb.CPU},
		{"cpus", fmt.Sprint(ra.CPUs), fmt.Sprint(rb.CPUs)},
		{"go", ra.Go, rb.Go},
		{"environment", ra.Environment, rb.Environment},
	} {
		if d.a != d.b && ra.Has(d.name) && rb.Has(d.name) {
			list = append(list, fmt.Sprintf("%s differs: %q and %q", d.name, d.a, d.b))
		}
	}
	if sa, sb := ra.FdatasyncP50, rb.FdatasyncP50; sa > 0 && sb > 0 && max(sa, sb)/min(sa, sb) >= diskRatio {
		list = append(list, fmt.Sprintf("the disk differs: a 4 KiB fdatasync took %.3f and %.3f ms", sa, sb))
	}
	if ra.Version == unversioned && rb.Version == unversioned {
		list = append(list, "both versions are "+unversioned+": nothing tells the programs apart; make build notes the commit")
	}
	for name, g := range map[string]group{"A": a, "B": b} {
		for _, r := range g.rows {
			if r.Has("counts") && !r.Counts {
				list = append(list, fmt.Sprintf("%s does not count: %s", name, r.WhyNot))
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
