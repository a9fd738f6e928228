// Package alloctest holds benchmarks to a number of allocations. Times differ from
// machine to machine and from run to run; how often an operation allocates does
// not, and what allocates more has become slower.
//
// An operation is written once, as an Op. Bench runs it as a benchmark; Check
// counts its allocations and compares them with the table testdata/allocs.golden
// of the package: one line for each operation, its name and the allowed number.
//
//	Step/start   14.0
//
// A number that has changed fails the test, up or down, so that the table always
// says what is; that of an Op with Slack may differ by it. To accept what was
// measured, run the test with -accept and review the difference.
//
// The race detector allocates on its own: with it the operations run, uncounted.
package alloctest

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var accept = flag.Bool("accept", false, "write the measured allocations into "+tablePath)

// tablePath is the table of a package, from the directory in which its tests run.
const tablePath = "testdata/allocs.golden"

// exact is by how much an exact number may differ: less than one allocation, more
// than what memory that grows by doubling adds to the mean.
const exact = 0.5

// Op is an operation that is measured.
type Op struct {
	Name string
	// Setup prepares the operation and returns what does it once. It may be called
	// for a test or a benchmark.
	Setup func(testing.TB) func()
	// Runs is how often Check does the operation; 100 when zero. Before that it
	// is done a tenth as often, uncounted, so that pools and buffers fill.
	Runs int
	// Slack is by which fraction the allocations may be more or fewer than the
	// table says, for operations of several goroutines; 0 means that they are exact.
	Slack float64
}

// Group is the operations of one benchmark. Its name is that of the benchmark's
// function without "Benchmark".
type Group struct {
	Name string
	Ops  []Op
}

// Bench runs the operations as sub-benchmarks, with their allocations.
func (g Group) Bench(b *testing.B) {
	for _, op := range g.Ops {
		b.Run(op.Name, func(b *testing.B) {
			do := op.Setup(b)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

// Report calls f at the end of a benchmark, to add to its figures; it does nothing
// in a test. It is for Setup functions.
func Report(tb testing.TB, f func(*testing.B)) {
	if b, ok := tb.(*testing.B); ok {
		b.Cleanup(func() { f(b) })
	}
}

// uncounted is the allocations of what was done apart.
var uncounted uint64

// Apart does f as a part of an operation that is not measured: what has to be
// prepared each time.
func Apart(tb testing.TB, f func()) {
	if b, ok := tb.(*testing.B); ok {
		b.StopTimer()
		defer b.StartTimer()
	}
	before := mallocs()
	f()
	uncounted += mallocs() - before
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// Check fails the test if an operation allocates something else than the table
// of the package says.
func Check(t *testing.T, groups ...Group) {
	t.Helper()
	allowed, err := readTable()
	if err != nil && !*accept {
		t.Fatalf("%v; %s", err, howToAccept(t))
	}
	measured := map[string]float64{}
	for _, g := range groups {
		for _, op := range g.Ops {
			name := g.Name + "/" + op.Name
			t.Run(name, func(t *testing.T) {
				n := measure(t, op)
				if measured[name] = n; raceDetector || *accept {
					return
				}
				want, listed := allowed[name]
				if diff := compare(n, want, op.Slack); !listed {
					t.Errorf("%s is not in %s; %s", name, tablePath, howToAccept(t))
				} else if diff != "" {
					t.Errorf("Benchmark%s: %.1f allocations an operation, %s than the %.1f of %s; %s",
						name, n, diff, want, tablePath, howToAccept(t))
				}
			})
		}
	}
	if len(measured) == 0 || filtered() {
		return
	}
	if *accept {
		if err := writeTable(measured); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range allowed {
		if _, ok := measured[name]; !ok {
			t.Errorf("%s is in %s and not measured; %s", name, tablePath, howToAccept(t))
		}
	}
}

// filtered reports whether only some of the operations run.
func filtered() bool {
	for _, f := range []string{"test.run", "test.skip"} {
		if v := flag.Lookup(f); v != nil && strings.Contains(v.Value.String(), "/") {
			return true
		}
	}
	return false
}

// compare says how the measured number differs from the allowed one, "" if it may.
func compare(n, allowed, slack float64) string {
	switch {
	case n > allowed+exact+slack*allowed:
		return "more"
	case n < allowed-exact-slack*allowed: // a table that says too much would let it come back
		return "fewer"
	}
	return ""
}

func howToAccept(t *testing.T) string {
	top, _, _ := strings.Cut(t.Name(), "/")
	dir, err := os.Getwd()
	if err != nil {
		dir = "THE PACKAGE"
	}
	return fmt.Sprintf("if that is meant, in %s: go test . -run '^%s$' -accept, and say why in the commit", filepath.Base(dir), top)
}

// measure returns the mean allocations of an operation, those of other goroutines
// included. The collector is off, so that pools keep what they have.
func measure(t *testing.T, op Op) float64 {
	runs := op.Runs
	if runs == 0 {
		runs = 100
	}
	if raceDetector {
		runs = 1
	}
	do := op.Setup(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range max(runs/10, 1) {
		do()
	}
	uncounted = 0
	before := mallocs()
	for range runs {
		do()
	}
	return float64(mallocs()-before-uncounted) / float64(runs)
}

func readTable() (map[string]float64, error) {
	text, err := os.ReadFile(tablePath)
	if err != nil {
		return nil, fmt.Errorf("read the allowed allocations: %w", err)
	}
	table := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil || len(fields) != 2 || math.IsNaN(n) {
			return nil, fmt.Errorf("%s: line %q is not a name and a number", tablePath, strings.TrimSpace(line))
		}
		table[fields[0]] = n
	}
	return table, nil
}

func writeTable(measured map[string]float64) error {
	names := slices.Sorted(maps.Keys(measured))
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%-*s %9.1f\n", width, name, measured[name])
	}
	if err := os.MkdirAll(filepath.Dir(tablePath), 0o777); err != nil {
		return fmt.Errorf("write the allowed allocations: %w", err)
	}
	if err := os.WriteFile(tablePath, []byte(b.String()), 0o666); err != nil {
		return fmt.Errorf("write the allowed allocations: %w", err)
	}
	return nil
}
