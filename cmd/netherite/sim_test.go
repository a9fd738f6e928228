package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/sim"
)

var (
	simFirst  = regexp.MustCompile(`^sim: seed=(\d+) commit=\S+$`)
	simSeed   = regexp.MustCompile(`^seed=(\d+) hash=[0-9a-f]{16} events=(\d+) faults=(\d+) virtual=\d+h\d\dm ok$`)
	simFaults = regexp.MustCompile(fmt.Sprintf(`^faults:((?: [a-z-]+=\d+){%d})$`, len(sim.FaultNames())))
	simMeans  = regexp.MustCompile(`^means: events=\d+ faults=\d+\.\d cpu_ms=\d+\.\d$`)
	simLast   = regexp.MustCompile(`^sim: seeds=(\d+) failed=0 events=(\d+) virtual_hours=\d+ faults=(\d+) marks=\d+/\d+$`)
)

// simulate runs the command and returns its lines.
func simulate(t *testing.T, want int, args ...string) []string {
	t.Helper()
	code, stdout, stderr := command(t.Context(), append([]string{"sim"}, args...)...)
	if code != want {
		t.Fatalf("sim %v: exit code %d, want %d\n%s%s", args, code, want, stdout, stderr)
	}
	if len(stderr) > 0 {
		t.Errorf("sim %v writes to stderr: %s", args, stderr)
	}
	return strings.Split(strings.TrimSuffix(string(stdout), "\n"), "\n")
}

// parts is what a pattern finds in a line.
func parts(t *testing.T, pattern *regexp.Regexp, line string) []string {
	t.Helper()
	found := pattern.FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("%q is not like %v", line, pattern)
	}
	return found[1:]
}

func sum(t *testing.T, numbers ...string) (total int) {
	t.Helper()
	for _, text := range numbers {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

func TestSimPrintsALineForEachSeedInOrderAndTheirSums(t *testing.T) {
	lines := simulate(t, exitDone, "--seed", "7", "--seeds", "2")
	if len(lines) != 6 {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if first := parts(t, simFirst, lines[0]); first[0] != "7" {
		t.Errorf("the first line is %q", lines[0])
	}
	a, b := parts(t, simSeed, lines[1]), parts(t, simSeed, lines[2])
	if a[0] != "7" || b[0] != "8" {
		t.Errorf("seeds %s and %s", a[0], b[0])
	}
	var kinds []string
	for n, kind := range strings.Fields(parts(t, simFaults, lines[3])[0]) {
		name, count, _ := strings.Cut(kind, "=")
		if name != sim.FaultNames()[n] {
			t.Errorf("fault %d is %s", n, kind)
		}
		kinds = append(kinds, count)
	}
	parts(t, simMeans, lines[4])
	last := parts(t, simLast, lines[5])
	if last[0] != "2" || sum(t, last[1]) != sum(t, a[1], b[1]) || sum(t, last[2]) != sum(t, a[2], b[2]) || sum(t, last[2]) != sum(t, kinds...) {
		t.Errorf("the sums are not those of the seeds:\n%s", strings.Join(lines, "\n"))
	}
}

func TestSimPrintsTheSameForASeedHoweverOftenItRunsAndWhateverItShows(t *testing.T) {
	plain := simulate(t, exitDone, "--seed", "3", "--operations", "60")
	for _, flags := range [][]string{{"--twice"}, {"--shrink"}, {"--stop"}, {"--trace"}} {
		lines := simulate(t, exitDone, append(flags, "--seed", "3", "--operations", "60")...)
		if lines[0] != plain[0] || lines[len(lines)-4] != plain[1] || lines[len(lines)-1] != plain[4] {
			t.Errorf("%v prints other lines than without:\n%s\n%s", flags, lines[len(lines)-4], plain[1])
		}
		if traced := len(lines) - len(plain); (flags[0] == "--trace") != (traced > 100) {
			t.Errorf("%v prints %d lines more", flags, traced)
		}
	}
}

func TestSimLeavesOutTheFaultsThatItIsToldTo(t *testing.T) {
	lines := simulate(t, exitDone, "--seed", "3", "--operations", "60", "--without", strings.Join(sim.FaultNames(), ","))
	if seed := parts(t, simSeed, lines[1]); seed[2] != "0" {
		t.Errorf("there are faults: %s", lines[1])
	}
}

func TestSimRefusesWhatItCannotDoBeforeItPrintsAnything(t *testing.T) {
	for line, says := range map[string]string{
		"--seeds 0":                             "--seeds 0",
		"--seeds -3":                            "--seeds -3",
		"--seeds many":                          "--seeds",
		"--seed -1":                             "--seed",
		"--seed 18446744073709551616":           "--seed",
		"--seed 18446744073709551615 --seeds 2": "no seeds above 18446744073709551615",
		"--operations -1":                       "--operations -1",
		"--without earthquakes":                 "crashes, kills",
		"--without crashes,":                    "--without",
		"--trace --seeds 2":                     "--trace is for one seed",
		"--faults 3":                            "--faults",
		"7":                                     "7",
	} {
		code, stdout, stderr := command(t.Context(), append([]string{"sim"}, strings.Fields(line)...)...)
		if code != exitUsage || len(stdout) > 0 || !strings.Contains(string(stderr), says) {
			t.Errorf("sim %s: exit code %d, prints %q, says %q", line, code, stdout, stderr)
		}
	}
}

func TestSimThatIsBrokenOffSaysHowFarItCame(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, stdout, stderr := command(ctx, "sim", "--seeds", "50")
	if code != exitFailed || !strings.Contains(string(stderr), "interrupted: 0 of 50 seeds") || !strings.Contains(string(stdout), "\nsim: seeds=0 ") {
		t.Errorf("exit code %d, prints %q, says %q", code, stdout, stderr)
	}
}

func TestSimOfASeedThatFailsSaysWhatRepeatsIt(t *testing.T) {
	var out bytes.Buffer
	o := sim.Options{Without: []sim.Fault{sim.Kills, sim.Zombies}, Operations: 8, Twice: true}
	var total simTotal
	total.add(&out, &sim.Result{Seed: 12, Hash: 0xab, Events: 5, Faults: 2, Virtual: 61 * time.Minute, Err: errors.New("money: there is 1")}, &o)
	want := "seed=12 hash=00000000000000ab events=5 faults=2 virtual=1h01m failed\n" +
		"failure: money: there is 1\n" +
		"repro: netherite sim --seed 12 --without kills,zombies --operations 8 --twice\n"
	if out.String() != want {
		t.Errorf("it prints\n%swant\n%s", &out, want)
	}
	out.Reset()
	if code := exitCode(total.conclude(&out, &o)); code != exitFailed || !strings.Contains(out.String(), "\nsim: seeds=1 failed=1 events=5 ") {
		t.Errorf("exit code %d, prints %q", code, &out)
	}
}

// A batch is made up: it takes a hundred seeds to be judged.
func TestSimFailsABatchThatLeavesSomethingUntested(t *testing.T) {
	for name, c := range map[string]struct {
		seeds int
		o     sim.Options
		never sim.Fault // of all kinds of faults; -1: none
		miss  int       // hundreds that have not come to the first mark
		want  int
		says  string
	}{
		"Nothing":         {100, sim.Options{}, none, 0, exitDone, ""},
		"AMark":           {100, sim.Options{}, none, 1, exitFailed, "marks never reached: KeyRepeated\n"},
		"AMarkEverywhere": {2000, sim.Options{}, none, 20, exitFailed, "marks never reached: KeyRepeated\n"},
		"AMarkSomewhere":  {2000, sim.Options{}, none, 2, exitFailed, "mark too rare: KeyRepeated, which seeds 1 to 100, 101 to 200 have not reached\n"},
		"ByChance":        {20_000, sim.Options{}, none, 2, exitDone, ""},
		"AFault":          {100, sim.Options{}, sim.Zombies, 0, exitFailed, "faults that never happened: zombies\n"},
		"FewSeeds":        {99, sim.Options{}, sim.Zombies, 1, exitDone, ""},
		"WhatWasLeftOut":  {100, sim.Options{Without: []sim.Fault{sim.Zombies}}, sim.Zombies, 1, exitDone, ""},
		"OfOperations":    {100, sim.Options{Operations: 3}, sim.Zombies, 1, exitDone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			total := madeUp(c.seeds, c.never, c.miss)
			var out bytes.Buffer
			code := exitDone
			if err := total.conclude(&out, &c.o); err != nil {
				code = exitCode(err)
			}
			judged := strings.Contains(out.String(), "never") || strings.Contains(out.String(), "too rare")
			if code != c.want || judged != (c.want == exitFailed) || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, prints\n%s", code, &out)
			}
		})
	}
}

const none = sim.Fault(1 << 20)

// madeUp is what a batch comes to of which so many hundreds miss the first mark, and
// which never has a kind of fault.
func madeUp(seeds int, never sim.Fault, miss int) simTotal {
	total := simTotal{cpu: time.Second}
	for at := 0; at < seeds; at += judgedSeeds {
		mark.Count()
		for _, m := range mark.All() {
			if m > 0 || at/judgedSeeds >= miss {
				mark.Hit(m)
			}
		}
		total.count(uint64(at+1), min(judgedSeeds, seeds-at))
	}
	total.seeds = seeds
	for f := range total.kinds {
		if sim.Fault(f) != never {
			total.kinds[f] = 1
		}
	}
	return total
}

// What depends on the code that is simulated, and on the machine, is other by now.
func TestWhatTheDocumentationShowsOfSimIsWhatItPrints(t *testing.T) {
	data, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(data), "\n    sim: seed=7 ")
	shown, _, found := strings.Cut("sim: seed=7 "+shown, "\n\n")
	if !found {
		t.Fatal("docs/cli.md has no example of sim")
	}
	lines := strings.Split(shown, "\n")
	if len(lines) != 5 {
		t.Fatalf("docs/cli.md shows %d lines, it prints 5", len(lines))
	}
	for n, pattern := range []*regexp.Regexp{simFirst, simSeed, simFaults, simMeans, simLast} {
		parts(t, pattern, strings.TrimSpace(lines[n]))
	}
}
