package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// smallDemo is a demo of all workloads that takes seconds.
func smallDemo() demoPlan {
	p := demoPlan{transfers: 2_000, finished: 200, unfinished: 100}
	for _, name := range bench.Names() {
		cfg := bench.Config{Workload: name, Clients: 4, Count: 20}
		switch name {
		case "fanout", "collision":
			cfg.Count = 1
		case "wordcount":
			cfg.Clients, cfg.Count = 1, 1
		case "waiting":
			cfg.Duration = time.Minute // or when all are awake
		}
		p.runs = append(p.runs, cfg)
	}
	return p
}

func TestDemoPrintsWhatItPromises(t *testing.T) {
	replaycheck.Not(t) // it sends a book through hubs
	var out, stderr bytes.Buffer
	if err := smallDemo().run(t.Context(), &out, &stderr); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &stderr)
	}
	text := out.String()
	for _, name := range bench.Names() {
		if !regexp.MustCompile(`(?m)^│ ` + name + ` .*│ ok +│$`).MatchString(text) {
			t.Errorf("no row for %s", name)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if want := regexp.MustCompile(`^crash: acknowledged=\d{3,} finished=\d{3,} unfinished=\d{3,} recovered=\d{3,} total=1000000000 ok$`); !want.MatchString(lines[len(lines)-2]) {
		t.Errorf("the line before the last is %q", lines[len(lines)-2])
	}
	if want := regexp.MustCompile(`^demo: ok 8/8 in \d+\.\ds$`); !want.MatchString(lines[len(lines)-1]) {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
	if t.Failed() {
		t.Logf("%s%s", text, &stderr)
	}
}

func TestDemoRunsEveryWorkload(t *testing.T) {
	var names []string
	for _, cfg := range fullDemo.runs {
		names = append(names, cfg.Workload)
		cfg.Partitions, cfg.Release = 8, "node"
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
	if want := slices.Sorted(slices.Values(bench.Names())); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
		t.Errorf("the demo runs %v, there are %v", names, want)
	}
	if fullDemo.finished != 2_000 || fullDemo.unfinished != 100 || fullDemo.transfers != 10_000 {
		t.Errorf("the crash is %d of %d finished, %d unfinished", fullDemo.finished, fullDemo.transfers, fullDemo.unfinished)
	}
}

// A demo that cannot do what it promises says so, and does not end in "demo: ok".
func TestDemoFailsIfTheCrashLeavesTooLittleUnfinished(t *testing.T) {
	p := demoPlan{transfers: 200, finished: 100, unfinished: 201} // more than there can be
	var out, stderr bytes.Buffer
	err := p.run(t.Context(), &out, &stderr)
	if code := exitCode(err); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if text := out.String(); strings.Contains(text, "demo: ok") || !strings.Contains(text, "crash: failed") || !regexp.MustCompile(`demo: failed 0/0 in \d+\.\ds\n$`).MatchString(text) {
		t.Errorf("it ends with %s", text)
	}
}

func TestDemoEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := smallDemo().run(ctx, &bytes.Buffer{}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("demo: %v, want its context's error", err)
	}
}
