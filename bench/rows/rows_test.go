package rows

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/netherite-go/netherite/bench"
)

// file writes rows as the command does, one object a line.
func file(t *testing.T, results ...bench.Result) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "some.json")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range results {
		if err := json.NewEncoder(f).Encode(&results[i]); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func read(t *testing.T, results ...bench.Result) []Row {
	t.Helper()
	rows, err := Read(file(t, results...))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

var hello = bench.Result{
	Workload: "hello5", Unit: "orchestration", Clients: 128, Partitions: 8, Release: "node", Counts: true,
	PerSecond: 10_000, P50: 10, P99: 40, CPUPerOp: 100, Platform: "linux/amd64", CPUs: 2, FdatasyncP50: .2,
}

// with changes a copy.
func with(r bench.Result, change func(*bench.Result)) bench.Result {
	change(&r)
	return r
}

func TestReadTakesWhatBenchPrints(t *testing.T) {
	rows := read(t, hello, with(hello, func(r *bench.Result) { r.Clients = 1 }))
	if len(rows) != 2 || rows[0].Source != "some" || !cmp.Equal(rows[0].Result, hello, cmp.AllowUnexported(bench.Result{})) || rows[1].Clients != 1 || !rows[0].Has("series") {
		t.Errorf("%+v", rows)
	}
	of, err := Of(&hello)
	if err != nil || of.PerSecond != hello.PerSecond || !of.Has("query_ms") {
		t.Errorf("%+v, %v", of, err)
	}
}

func TestReadSaysWhatIsWrongWithAFile(t *testing.T) {
	for text, because := range map[string]string{
		"":                                      "the file is empty",
		"nonsense":                              "row 1, before byte 2",
		`{"workload":"hello5","unit":"orchestr`: "row 1, which begins at byte 0 and ends at 37",
		`{"workload":"hello5","unit":"x","clients":0,"partitions":1,"release":"node","per_second":1,"p50_ms":1}`:                      "clients is 0",
		`{"workload":"hello5","unit":"x","clients":1,"partitions":0,"release":"node","per_second":1,"p50_ms":1}`:                      "partitions is 0",
		`{"workload":"","unit":"x","clients":1,"partitions":1,"release":"node","per_second":1,"p50_ms":1}`:                            "workload and unit",
		`{"workload":"hello5","unit":"x","clients":1,"partitions":1,"release":"node","per_second":-5,"p50_ms":1}`:                     "per_second is -5",
		`{"workload":"hello5","unit":"x","clients":1,"partitions":1,"release":"node","per_second":1e308,"p50_ms":1}`:                  "per_second is 1e+308",
		`{"workload":"hello5","unit":"x","clients":1,"partitions":1,"release":"node","per_second":1,"p50_ms":1,"syncs":-1}`:           "syncs is -1",
		`{"workload":"hello5","unit":"x","clients":1,"partitions":1,"release":"node","per_second":1,"p50_ms":1,"series":[{"at":-1}]}`: "series, number 1: at is -1",
		`{"workload":"hello5"}`: `row 1: not a result of netherite bench --json: it has no field "unit"`,
		`[1]`:                   "row 1: not a result",
		`{"workload":7,"unit":"x","clients":1,"partitions":1,"release":"node","per_second":1,"p50_ms":1}`: "cannot unmarshal",
	} {
		name := filepath.Join(t.TempDir(), "bad.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(name); !errors.Is(err, ErrNoRows) || !strings.Contains(err.Error(), because) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, want %q", text, err, because)
		}
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, ErrNoRows) || !strings.HasSuffix(err.Error(), "it is a directory") {
		t.Error(err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	name := file(t, hello)
	if err := os.Truncate(name, maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name); !errors.Is(err, ErrNoRows) {
		t.Errorf("a huge file: %v", err)
	}
}

// verdicts lists figure and verdict of a pair.
func verdicts(p Pair) map[string]Verdict {
	m := map[string]Verdict{}
	for _, f := range p.Figures {
		m[f.Figure] = f.Verdict
	}
	return m
}

func TestChangesAreJudgedByTheirDirection(t *testing.T) {
	after := with(hello, func(r *bench.Result) { r.PerSecond, r.P50, r.P99, r.CPUPerOp = 15_000, 12, 40.2, 50 })
	c := Compare(read(t, hello, hello), read(t, after, after))
	if len(c.Pairs) != 1 || len(c.Pairs[0].Warnings) != 0 || len(c.OnlyA)+len(c.OnlyB) != 0 {
		t.Fatalf("%+v", c)
	}
	got := verdicts(c.Pairs[0])
	if got["per_second"] != VerdictBetter || got["p50_ms"] != VerdictWorse || got["p99_ms"] != VerdictSame || got["cpu_us_per_op"] != VerdictBetter || got["max_ms"] != VerdictSame {
		t.Errorf("%v", got)
	}
	if f := c.Pairs[0].Figures[0]; f.A != 10_000 || f.B != 15_000 || *f.Percent != 50 || f.Better != "higher" {
		t.Errorf("%+v", f)
	}
	if _, has := got["query_ms"]; has {
		t.Error("a figure that neither row has is compared")
	}
}

func TestOverlappingRunsAreUnclear(t *testing.T) {
	at := func(perSecond ...float64) (list []bench.Result) {
		for _, v := range perSecond {
			list = append(list, with(hello, func(r *bench.Result) { r.PerSecond = v }))
		}
		return list
	}
	for _, c := range []struct {
		a, b []float64
		want Verdict
	}{
		{[]float64{90, 100, 110}, []float64{105, 120, 130}, VerdictUnclear},
		{[]float64{90, 100, 110}, []float64{111, 120, 130}, VerdictBetter},
		{[]float64{90, 100, 110}, []float64{70, 80, 89}, VerdictWorse},
		{[]float64{90, 100, 110}, []float64{105}, VerdictUnclear},
		{[]float64{90, 100, 110}, []float64{120}, VerdictBetter},
		{[]float64{90, 100, 110}, []float64{80, 100.5, 120}, VerdictSame},
	} {
		p := Compare(read(t, at(c.a...)...), read(t, at(c.b...)...)).Pairs
		if len(p) != 1 || p[0].RowsA != len(c.a) || p[0].RowsB != len(c.b) || verdicts(p[0])["per_second"] != c.want || p[0].Figures[0].A != 100 {
			t.Errorf("%v and %v: %+v", c.a, c.b, p)
		}
	}
}

func TestOneRunOfEachIsUnclear(t *testing.T) {
	got := verdicts(Compare(read(t, hello), read(t, with(hello, func(r *bench.Result) { r.PerSecond, r.P50 = 20_000, 10.01 }))).Pairs[0])
	if got["per_second"] != VerdictUnclear || got["p50_ms"] != VerdictUnclear || got["p99_ms"] != VerdictSame {
		t.Errorf("%v", got)
	}
}

func TestProgramsWithoutAVersionAreMarked(t *testing.T) {
	devel := with(hello, func(r *bench.Result) { r.Version = "devel" })
	if w := Compare(read(t, devel), read(t, devel)).Pairs[0].Warnings; len(w) != 1 || !strings.HasPrefix(w[0], "both versions are devel") {
		t.Errorf("%q", w)
	}
}

func TestRowsArePairedByTheirSettings(t *testing.T) {
	clients := func(n int) bench.Result { return with(hello, func(r *bench.Result) { r.Clients = n }) }
	bank := with(hello, func(r *bench.Result) { r.Workload = "bank" })
	c := Compare(read(t, clients(1), clients(8), bank, clients(32)), read(t, clients(8), clients(1), clients(64)))
	var got [][2]string
	for _, p := range c.Pairs {
		got = append(got, [2]string{p.Settings.String(), strings.Join(p.Warnings, "; ")})
	}
	want := [][2]string{
		{"hello5, 1 client, 8 partitions, release node", ""},
		{"hello5, 8 clients, 8 partitions, release node", ""},
		{"hello5, 32 clients, 8 partitions, release node", "clients differs: 32 and 64"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(c.OnlyA) != 1 || c.OnlyA[0].Workload != "bank" || len(c.OnlyB) != 0 {
		t.Errorf("only A %v, only B %v", c.OnlyA, c.OnlyB)
	}
	if c = Compare(read(t, bank), read(t, hello)); len(c.Pairs) != 0 || len(c.OnlyA) != 1 || len(c.OnlyB) != 1 {
		t.Errorf("two rows of different workloads: %+v", c)
	}
}

func TestUnfairComparisonsAreMarked(t *testing.T) {
	for because, change := range map[string]func(*bench.Result){
		"cpus differs":                   func(r *bench.Result) { r.CPUs = 8 },
		"platform differs":               func(r *bench.Result) { r.Platform = "darwin/arm64" },
		"environment differs":            func(r *bench.Result) { r.Environment = "GOGC=400" },
		"go differs":                     func(r *bench.Result) { r.Go = "go9" },
		"release differs":                func(r *bench.Result) { r.Release = "conservative" },
		"rate differs: 0 and 0.5":        func(r *bench.Result) { r.Rate = .5 },
		"the disk differs":               func(r *bench.Result) { r.FdatasyncP50 = .4 },
		"B does not count: 3 operations": func(r *bench.Result) { r.Counts, r.WhyNot = false, "3 operations failed" },
		"partitions differs: 8 and 1":    func(r *bench.Result) { r.Partitions = 1 },
		"preload differs: 0 and 1000":    func(r *bench.Result) { r.Preload = 1000 },
		"memory_mib differs: 128 and 64": func(r *bench.Result) { r.Memory = 64 },
		"count differs: 0 and 10":        func(r *bench.Result) { r.Count = 10 },
	} {
		c := Compare(read(t, hello), read(t, with(hello, change)))
		if len(c.Pairs) != 1 || len(c.Pairs[0].Warnings) != 1 || !strings.HasPrefix(c.Pairs[0].Warnings[0], because) {
			t.Errorf("%q: %+v", because, c.Pairs)
		}
	}
}

func TestFiguresOfOlderVersionsMayBeMissing(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old.json")
	row := `{"workload":"hello5","unit":"orchestration","clients":128,"partitions":8,"release":"node","per_second":5000,"p50_ms":20}`
	if err := os.WriteFile(old, []byte(row+"\n\n"+row), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Read(old)
	if err != nil {
		t.Fatal(err)
	}
	p := Compare(a, read(t, hello)).Pairs[0]
	if got := verdicts(p); len(got) != 2 || got["per_second"] != VerdictBetter || p.RowsA != 2 || len(p.Warnings) != 0 {
		t.Errorf("%+v", p)
	}
}
