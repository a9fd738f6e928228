package bench

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
)

// small returns a workload's driver, made smaller where an operation is large.
func small(name string) driver {
	switch d := find(name).make().(type) {
	case *wordCount:
		d.text, _ = cut(d.text, 12_000)
		return d
	case *collision:
		d.size = collisionLeaf + 1 // so that there are two leaves
		return d
	default:
		return d
	}
}

// inMemory opens a hub with the given code for a driver.
func inMemory(t *testing.T, cfg Config, handlers []durable.Handler) *env {
	t.Helper()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(handlers...), netherite.Partitions(4),
		netherite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	cfg.Partitions = 4
	return &env{hub: &own{hub}, cfg: &cfg, runID: runID()}
}

// runSmall makes n operations of a workload on a hub with the given code.
func runSmall(t *testing.T, name string, d driver, n int, handlers []durable.Handler) error {
	t.Helper()
	e := inMemory(t, Config{Workload: name, Clients: 4, Count: n, SkipProbe: true}, handlers)
	if err := prepare(t.Context(), e, d); err != nil {
		t.Fatal(err)
	}
	r := &Result{Check: "ok"}
	if err := r.run(t.Context(), e, d, find(name)); err != nil {
		t.Fatal(err)
	}
	if r.Check != "ok" {
		return errors.New(r.Check)
	}
	if r.Failed != 0 || r.Refused != 0 || r.Calls != int64(n) || r.Completed < r.Calls || r.P50 <= 0 || r.Max < r.P50 || r.Seconds <= 0 {
		t.Errorf("%+v", r)
	}
	return nil
}

func TestEveryWorkloadPassesItsOwnCheck(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			n := 30
			if w := find(name); w.once || name == "fanout" || name == "collision" {
				n = 2
			}
			d := small(name)
			if err := runSmall(t, name, d, n, d.handlers()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunReportsTheFiguresOfADirectory(t *testing.T) {
	cfg := Config{
		Workload: "hello5", Clients: 8, Count: 50, Preload: 40, Partitions: 2, Release: "conservative",
		Dir: t.TempDir(), Version: "v", SkipProbe: true,
	}
	var got Result
	if err := Run(t.Context(), cfg, func(r *Result) { got = *r }); err != nil {
		t.Fatal(err)
	}
	if !got.OK() || got.Calls != 50 || got.Completed != 50 || got.Syncs == 0 || got.PartitionCheckpoints == 0 || got.Checkpoints != 0 || got.Counts || got.LogBytesPerOp <= 0 || got.Version != "v" || got.Sample == "" {
		t.Errorf("%+v", got)
	}
	if _, err := Recover(t.Context(), cfg, got.Sample); err != nil {
		t.Error(err)
	}
	if _, err := Recover(t.Context(), cfg, "nobody"); err == nil {
		t.Error("an instance that was lost is not noticed")
	}
}

// Code that does the wrong thing, under the names of the workloads'.
type (
	generousAccount struct{ BankAccount }
	keenAccount     struct{ BankAccount }
)

// Open opens.
func (a *generousAccount) Open(ctx *durable.EntityContext, n int64) (int64, error) {
	return a.BankAccount.Open(ctx, n)
}

// Get reads.
func (a *generousAccount) Get(*durable.EntityContext) (BankAccount, error) { return a.BankAccount, nil }

// Add pays in a little more.
func (a *generousAccount) Add(ctx *durable.EntityContext, n int64) (int64, error) {
	return a.BankAccount.Add(ctx, n+1)
}

// Open opens.
func (a *keenAccount) Open(ctx *durable.EntityContext, n int64) (int64, error) {
	return a.BankAccount.Open(ctx, n)
}

// Get reads.
func (a *keenAccount) Get(*durable.EntityContext) (BankAccount, error) { return a.BankAccount, nil }

// Add does everything twice, on both sides.
func (a *keenAccount) Add(ctx *durable.EntityContext, n int64) (int64, error) {
	if _, err := a.BankAccount.Add(ctx, n); err != nil {
		return 0, err
	}
	return a.BankAccount.Add(ctx, n)
}

func TestWrongResultsAreDetected(t *testing.T) {
	generous, keen := durable.Entity[generousAccount]("Account"), durable.Entity[keenAccount]("Account")
	durable.Operation(generous, "Open", (*generousAccount).Open)
	durable.Operation(generous, "Add", (*generousAccount).Add)
	durable.Getter(generous, "Get", (*generousAccount).Get)
	durable.Operation(keen, "Open", (*keenAccount).Open)
	durable.Operation(keen, "Add", (*keenAccount).Add)
	durable.Getter(keen, "Get", (*keenAccount).Get)
	for _, c := range []struct {
		workload, because string
		wrong             durable.Handler // in place of the first of its driver's handlers
	}{
		{"hello5", "greeting 0", durable.Activity("SayHello", func(context.Context, string) (string, error) { return "Hi!", nil })},
		{"sequence", "result", durable.Activity("Step", func(_ context.Context, s string) (string, error) { return s, nil })},
		{"fanout", "sum", durable.Activity("Echo", func(_ context.Context, n int) (int, error) { return n + n%2, nil })},
		{"bank", "all accounts together have", generous},
		{"bank", "the accounts were paid", keen},
		{"collision", "range", durable.Activity("SearchLeaf", func(_ context.Context, r Range) ([]int64, error) { return append(search(r), r.First), nil })},
		{"waiting", "woke with", durable.Orchestration("Sleeper", func(ctx *durable.Context, _ int) (int, error) {
			n, err := wakeUp.Wait(ctx, time.Hour)
			return n + 1, err
		})},
	} {
		t.Run(c.workload, func(t *testing.T) {
			d := small(c.workload)
			handlers := slices.Clone(d.handlers())
			handlers[0] = c.wrong
			if err := runSmall(t, c.workload, d, 1, handlers); err == nil || !strings.Contains(err.Error(), c.because) {
				t.Errorf("check says %v, want something about %q", err, c.because)
			}
		})
	}
}

func TestWrongWordCountIsDetected(t *testing.T) {
	d := small("wordcount").(*wordCount)
	e := inMemory(t, Config{}, d.handlers())
	if err := d.setup(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for n, spoil := range []func(){
		func() { d.want.Total++ },
		func() { d.want.Total--; d.want.Top = slices.Clone(d.want.Top); d.want.Top[3].N++ },
	} {
		spoil()
		if _, err := d.op(t.Context(), e, 0, n); err == nil || !strings.Contains(err.Error(), "wordcount:") {
			t.Errorf("case %d: %v", n, err)
		}
	}
}

func TestWrongCountIsDetected(t *testing.T) {
	d := newCounter()
	e := inMemory(t, Config{}, d.handlers())
	if err := d.setup(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if _, err := d.op(t.Context(), e, 0, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.check(t.Context(), e); err != nil {
		t.Error(err)
	}
	d.sent.Add(-1)
	if err := d.check(t.Context(), e); err == nil || !strings.Contains(err.Error(), "only 2 sent") {
		t.Errorf("one signal too many: %v", err)
	}
	d.sent.Add(2)
	if _, err := d.op(t.Context(), e, 0, readEvery); err == nil || !strings.Contains(err.Error(), "a read says") {
		t.Errorf("a read that misses a signal: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.check(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one signal too few: %v", err)
	}
}

func TestTextIsTheBook(t *testing.T) {
	if n := len(words(opticks())); n < 90_000 || n > 120_000 {
		t.Errorf("the book has %d words", n)
	}
	if beginning, _ := cut(opticks(), 2000); !strings.Contains(beginning, "OPTICKS") {
		t.Error("it does not begin like Newton's Opticks")
	}
}

func TestTextIsCutBetweenWords(t *testing.T) {
	for _, size := range []int{1, 5, 4096, 1 << 30} {
		var all []string
		for head, rest := cut(opticks(), size); head != ""; head, rest = cut(rest, size) {
			all = append(all, words(head)...)
		}
		if !slices.Equal(all, words(opticks())) {
			t.Errorf("cut after %d bytes it has %d words", size, len(all))
		}
	}
}

func TestRowCountsOnlyWithTwoCheckpointsBoundedMemoryAndHardlyARefusal(t *testing.T) {
	good := Result{Check: "ok", Checkpoints: 2, PeakRSS: allowedRSS, Refused: 7, Calls: 7000}
	good.judge()
	if !good.Counts || good.WhyNot != "" {
		t.Errorf("%+v", good)
	}
	for because, change := range map[string]func(*Result){
		"1 of 2 checkpoints":       func(r *Result) { r.Checkpoints = 1; r.PartitionCheckpoints = 80 },
		"peak memory is 513 MB":    func(r *Result) { r.PeakRSS = 513_000_000 },
		"7 refusals beside 6999":   func(r *Result) { r.Calls = 6999 },
		"1 refusals beside 0":      func(r *Result) { r.Refused, r.Calls = 1, 0 },
		"3 operations failed":      func(r *Result) { r.Failed = 3 },
		"the workload's check did": func(r *Result) { r.Check = "wrong" },
	} {
		r := good
		change(&r)
		if r.judge(); r.Counts || !strings.Contains(r.WhyNot, because) {
			t.Errorf("counts %v because %q, want %q", r.Counts, r.WhyNot, because)
		}
	}
}

func TestAdviceForALongerWindowFitsTheRun(t *testing.T) {
	for _, c := range []struct {
		r    Result
		want string
	}{
		{Result{Workload: "hello5"}, "a longer --duration has more"},
		{Result{Workload: "hello5", Count: 9}, "a larger --count has more"},
		{Result{Workload: "waiting"}, "a larger --count, of orchestrations to wake, has more"},
	} {
		if c.r.judge(); !strings.HasSuffix(c.r.WhyNot, c.want) {
			t.Errorf("%+v: %q", c.r, c.r.WhyNot)
		}
	}
}

func TestClientsFitTheWorkload(t *testing.T) {
	if n := DefaultClients("collision"); n != runtime.NumCPU() {
		t.Errorf("%d clients of collision", n)
	}
	if n := DefaultClients("hello5"); n != 128 {
		t.Errorf("%d clients of hello5", n)
	}
}
