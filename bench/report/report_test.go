package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
)

// row makes up a result: a plausible one, the same each time.
func row(t *testing.T, workload string, clients int, change ...func(*bench.Result)) rows.Row {
	t.Helper()
	r := bench.Result{
		Workload: workload, Unit: "orchestration", Clients: clients, Partitions: 8, Release: "node", Version: "v1.2.3",
		Completed: 100_000, Calls: 100_000, Seconds: 10, PerSecond: 25_000 * float64(clients) / float64(clients+10),
		P50: .3 + float64(clients)/40, CPUPerOp: 40 + 400/float64(clients), LogBytesPerOp: 600, StoreBytesPerOp: 550, DeviceBytesPerOp: 3000,
		SyncsPerOp: 2 / math.Sqrt(float64(clients)), Checkpoints: 4, PeakRSS: 170_000_000, RecoveryMillis: 40, FdatasyncP50: .12,
		Check: "ok", Counts: true, Began: "2026-11-24T10:00:00Z", Platform: "linux/amd64", CPU: "A Processor", CPUs: 2, Go: "go1.26.0",
	}
	r.P95, r.P99, r.P999, r.Max = r.P50*2, r.P50*4, r.P50*6, r.P50*30
	r.WorstSecond = 7.25
	for _, p := range []float64{0, 20, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 100} {
		r.Percentiles = append(r.Percentiles, bench.Quantile{Percentile: p, Millis: r.P50 * (1 + p*p*p*p/1e8*29)})
	}
	for i := range 60 {
		wave := 1 + .2*math.Sin(float64(i))
		r.Series = append(r.Series, bench.Point{
			At: float64(i + 1), Seconds: 1, Calls: 1000, PerSecond: r.PerSecond * wave, P50: r.P50 * wave, P99: r.P99 * wave, P999: r.P999 * wave,
			RSS: 150_000_000 + int64(i)*400_000, Checkpoints: int64(i % 7 / 6), Segments: int64(i % 11 / 10),
		})
	}
	for _, c := range change {
		c(&r)
	}
	of, err := rows.Of(&r)
	if err != nil {
		t.Fatal(err)
	}
	return of
}

func atRate(rate float64) func(*bench.Result) {
	return func(r *bench.Result) { r.Rate, r.PerSecond = rate, rate }
}

// all has every kind of row that there is.
func all(t *testing.T) []rows.Row {
	long := func(r *bench.Result) {
		r.Release, r.Preload, r.Environment = "conservative", 1_000_000, "GOGC=400 GOMEMLIMIT=256MiB"
	}
	list := []rows.Row{
		row(t, "hello5", 1), row(t, "hello5", 8), row(t, "hello5", 32), row(t, "hello5", 128), row(t, "hello5", 1024),
		row(t, "hello5", 128, atRate(12_500), func(r *bench.Result) { r.WorstSecond = 11 }),
		row(t, "bank", 128),
		row(t, "bank", 128, func(r *bench.Result) { r.Release = "partition" }),
		row(t, "bank", 128, long),
		row(t, "collision", 2, func(r *bench.Result) {
			r.Unit, r.OfPlainLoop, r.Series, r.Percentiles, r.LogBytesPerOp = "candidate", .96, nil, nil, 0
			r.Counts, r.WhyNot = false, "the window holds 0 of 2 checkpoints"
		}),
		row(t, "fanout", 8, func(r *bench.Result) {
			r.Unit, r.Series = "activity", r.Series[:3]
			r.Series[1].P50, r.Series[1].P99, r.Series[1].P999 = 0, 0, 0
		}),
		row(t, "waiting", 128, func(r *bench.Result) { r.EventP50, r.QueryMillis, r.Preload = 1.5, 12, 1_000_000 }),
	}
	list[8].Source = "a-file-with-a-name-that-somebody-made-rather-long"
	return list
}

func page(t *testing.T, list []rows.Row) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, list); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPageIsCompleteInItself(t *testing.T) {
	const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`
	text := page(t, all(t))
	if !strings.Contains(text, policy) || !strings.Contains(text, `name="viewport"`) {
		t.Error("no content security policy, or no viewport")
	}
	for _, foreign := range regexp.MustCompile(`(?i)(src|href|url|@import|<script|<link|<iframe)[^>"]*["(]?[^"#)]{0,40}`).FindAllString(strings.Replace(text, policy, "", 1), -1) {
		if !regexp.MustCompile(`^(href="#|href="data:,|href="$|<link rel=)`).MatchString(foreign) {
			t.Errorf("it refers to %q", foreign)
		}
	}
	if len(text) > 600_000 {
		t.Errorf("a page of %d bytes", len(text))
	}
}

var svgs = regexp.MustCompile(`(?s)<svg viewBox="0 0 (\d+) \d+" role="img".*?</svg>`)

func TestEveryPlotIsNamedAndDrawn(t *testing.T) {
	plots := svgs.FindAllString(page(t, all(t)), -1)
	if len(plots) < 40 {
		t.Fatalf("%d plots", len(plots))
	}
	ids := map[string]bool{}
	for _, svg := range plots {
		title := regexp.MustCompile(`<title id="(.*?)">(.+?)</title><desc id=".*?">.+?\.</desc>`).FindStringSubmatch(svg)
		if title == nil || ids[title[1]] {
			t.Errorf("no title, no description, or not the only one: %.300s", svg)
			continue
		}
		ids[title[1]] = true
		if !strings.Contains(svg, "line l1 stroke") && !strings.Contains(svg, `class="bar fill"`) {
			t.Errorf("%s: nothing is drawn", title[2])
		}
		if strings.Contains(svg, "style=") || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: colours of its own, or no number: %s", title[2], svg)
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", title[2], err)
				break
			}
		}
	}
}

func TestPageShowsTheFigures(t *testing.T) {
	text := page(t, all(t))
	for _, want := range []string{
		"<h4>Throughput by clients</h4>", "<h4>Latency by clients</h4>", "<h4>Latency distribution</h4>", "<h4>Cost: CPU</h4>", "<h4>Cost: log</h4>", "<h4>Cost: store</h4>",
		"<h4>Cost: syncs</h4>", "<h4>Cost: bytes</h4>", "<h4>Throughput over time</h4>", "<h4>Latency over time</h4>", "<h4>Memory over time</h4>",
		"<dt>Of a plain loop</dt><dd>96 %", "<dt>Query</dt><dd>12 ms<small>first page among 1,000,000", "<dt>Lone event, p50</dt><dd>1.5 ms",
		"The p99.9 of the worst second was 11 times the p50 of the median second (limit 10: not met).",
		"<li>2 clients: the window holds 0 of 2 checkpoints</li>",
		"netherite bench hello5 --duration 10s --warmup 0s --rate 12500 --partitions 8 --release node",
		"a lone call takes 325 µs, 2.71× as long as a 4 KiB fdatasync of this disk", "seconds with a checkpoint complete", "seconds with a new segment of the log", "A Processor",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if n := strings.Count(text, `<details class="timeline" open`); n != 4 {
		t.Errorf("%d timelines are open, want one for each workload that has one", n)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	r := row(t, "hello5", 1, func(r *bench.Result) { r.Workload, r.Unit, r.CPU = `<script>"&`, "<b>", "<i>" })
	text := page(t, []rows.Row{r})
	if strings.Contains(text, "<script") || strings.Contains(text, "<b>") || strings.Contains(text, "<i>") {
		t.Error("text of a file has become a part of the page")
	}
}

func TestRowsAreNamedByWhatTellsThemApart(t *testing.T) {
	for _, c := range []struct {
		rows []rows.Row
		want string
	}{
		{[]rows.Row{row(t, "hello5", 1)}, "1 client"},
		{[]rows.Row{row(t, "hello5", 1), row(t, "hello5", 8)}, "1 client; 8 clients"},
		{[]rows.Row{row(t, "hello5", 8), row(t, "hello5", 8)}, "8 clients #1; 8 clients #2"},
		{[]rows.Row{row(t, "hello5", 8), row(t, "hello5", 8, atRate(1500))}, "8 clients; 1.5k a second"},
		{[]rows.Row{row(t, "hello5", 8), row(t, "hello5", 8, func(r *bench.Result) { r.Version = "v2" })}, "v1.2.3; v2"},
		{[]rows.Row{row(t, "bank", 8), row(t, "bank", 1, func(r *bench.Result) { r.Release = "partition" })}, "8 clients, node; 1 client, partition"},
	} {
		if got := strings.Join(labels(c.rows), "; "); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestOlderRowsAreDrawnAsFarAsTheyGo(t *testing.T) {
	text := page(t, []rows.Row{row(t, "hello5", 1, func(r *bench.Result) {
		r.Series, r.Percentiles, r.Began, r.CPU, r.FdatasyncP50, r.P999, r.WorstSecond = nil, nil, "", "", 0, 0, 0
	})})
	if !strings.Contains(text, "older version") || strings.Contains(text, "Second by second") || strings.Contains(text, "Latency distribution") {
		t.Error("it shows what the row does not have")
	}
}

func TestNumbersOfRowsAreLimited(t *testing.T) {
	for _, list := range [][]rows.Row{nil, make([]rows.Row, maxRows+1)} {
		if err := Write(io.Discard, list); err == nil {
			t.Errorf("%d rows are accepted", len(list))
		}
	}
}

func TestScalesHoldTheirValuesBetweenRoundMarks(t *testing.T) {
	marks := func(s *scale) (list []string) {
		for _, tick := range s.ticks {
			list = append(list, tick.label)
		}
		return list
	}
	for _, c := range []struct {
		s    *scale
		want string
	}{
		{linear(0, 4, short), "[0 0.25 0.5 0.75 1]"},
		{linear(100, 4, short), "[0 25 50 75 100]"},
		{linear(12_345, 4, short), "[0 5k 10k 15k]"},
		{linear(170e6, 4, megabytes), "[0 50 MB 100 MB 150 MB 200 MB]"},
		{steps(60.2, 6, short), "[0 10 20 30 40 50 60]"},
		{logarithmic([]float64{3, 0, 70}, millis), "[2 ms 5 ms 10 ms 20 ms 50 ms 100 ms]"},
		{logarithmic([]float64{.12, 4_000}, millis), "[100 µs 1 ms 10 ms 100 ms 1 s 10 s]"},
		{logarithmic([]float64{5}, millis), "[5 ms 10 ms]"},
		{logarithmic([]float64{1}, millis), "[1 ms 2 ms]"},
		{logarithmic([]float64{10, 10}, millis), "[10 ms 20 ms]"},
		{logarithmic(nil, millis), "[1 ms 2 ms]"},
	} {
		if got := fmt.Sprint(marks(c.s)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		if c.s.SetDomain(100); c.s.Translate(c.s.GetMin()) != 0 || c.s.Translate(c.s.GetMax()) != 100 || c.s.GetDelta() <= 0 {
			t.Errorf("%s: it begins at %d and ends at %d", c.want, c.s.Translate(c.s.min), c.s.Translate(c.s.max))
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{short(0), "0"}, {short(2.5), "2.5"}, {short(999), "999"}, {short(1500), "1.5k"}, {short(2e6), "2M"}, {short(3.25e9), "3.25G"},
		{whole(1234567.8), "1,234,568"}, {whole(12.345), "12.3"}, {whole(0.0123), "0.0123"}, {whole(4e-7), "<0.001"}, {whole(0), "0"}, {whole(100), "100"}, {whole(-12345), "-12,345"},
		{millis(0), "0"}, {millis(.1234), "123 µs"}, {millis(1), "1 ms"}, {millis(999), "999 ms"}, {millis(1500), "1.5 s"},
		{count(1, "client"), "1 client"}, {count(1024, "client"), "1,024 clients"}, {nines(99.99), "99.99 %"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestDistributionShowsTheBestOfManyRunsAndSaysHowMany(t *testing.T) {
	var list []rows.Row
	for clients := range 8 {
		list = append(list, row(t, "hello5", clients+1, func(r *bench.Result) {
			if clients == 3 {
				r.PerSecond = 99_999
			}
		}))
	}
	text := page(t, list)
	_, figure, _ := strings.Cut(text, "<h4>Latency distribution</h4>")
	figure, _, _ = strings.Cut(figure, "</figure>")
	if !strings.Contains(figure, "6 of 8 runs shown") || !strings.Contains(figure, "</svg>4 clients</li>") {
		t.Errorf("%.1500s", figure)
	}
	if text = page(t, list[:6]); strings.Contains(text, "runs shown") {
		t.Error("nothing is left out")
	}
}

func TestRunsOfOneNumberOfClientsStandBesideCurves(t *testing.T) {
	lone := row(t, "hello5", 8)
	lone.Source = "lone"
	text := page(t, []rows.Row{row(t, "hello5", 1), row(t, "hello5", 8), lone})
	_, figure, _ := strings.Cut(text, "<h4>Throughput by clients</h4>")
	if figure, _, _ = strings.Cut(figure, "</figure>"); !strings.Contains(figure, "lone</li>") {
		t.Errorf("%.1500s", figure)
	}
}

func TestTilesOfSeveralRunsSayOfWhichTheyAre(t *testing.T) {
	s := newSheet("w", "hello5", []rows.Row{row(t, "hello5", 128), row(t, "hello5", 128, atRate(5_000))})
	for _, tile := range s.tiles() {
		if !strings.Contains(tile.Note, "128 clients") && !strings.Contains(tile.Note, "5k a second") {
			t.Errorf("%+v", tile)
		}
		if tile.Name == "Worst second" && !strings.Contains(tile.Note, "5k a second") {
			t.Errorf("%+v", tile)
		}
	}
}

func TestCommandsRepeatTheWarmUp(t *testing.T) {
	s := newSheet("w", "hello5", []rows.Row{row(t, "hello5", 1, func(r *bench.Result) { r.WarmupSeconds = 2.5 })})
	if got := s.commands()[0]; !strings.Contains(got, " --warmup 2.5s ") {
		t.Error(got)
	}
}

func TestMarksCoverTheSecondInWhichItWas(t *testing.T) {
	p, legends := overTime([]bench.Point{{At: 1, Seconds: 1}, {At: 2.25, Seconds: 1.25, Segments: 2}, {At: 3, Seconds: .75, Checkpoints: 1}})
	want := []mark{{1, 2.25, 2, "segment", 0}, {2.25, 3, 1, "checkpoint", 1}}
	if fmt.Sprint(p.marks) != fmt.Sprint(want) || len(legends) != 2 || !strings.Contains(legends[0].Name, "up to 2") {
		t.Errorf("%v, %v", p.marks, legends)
	}
}
