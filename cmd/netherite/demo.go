package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/spf13/cobra"
)

// demoPlan is what the demo does.
type demoPlan struct {
	runs []bench.Config
	// The process of the crash is to make so many transfers. It is killed when
	// so many of them have finished; fewer acknowledged ones than unfinished that
	// have not by then make the demo fail.
	transfers, finished, unfinished int
}

// fullDemo runs all workloads, small enough for half a minute.
var fullDemo = demoPlan{transfers: 10_000, finished: 2_000, unfinished: 100, runs: []bench.Config{
	{Workload: "hello5", Clients: 128, Duration: 2 * time.Second},
	{Workload: "sequence", Clients: 128, Duration: time.Second},
	{Workload: "fanout", Clients: 8, Count: 100},
	{Workload: "waiting", Clients: 64, Count: 10_000, Duration: time.Second},
	{Workload: "bank", Clients: 128, Duration: 2 * time.Second},
	{Workload: "wordcount", Clients: 1, Count: 2},
	{Workload: "collision", Clients: 2, Count: 2},
	{Workload: "counter", Clients: 256, Duration: time.Second},
}}

// demoLimit ends a demo that hangs.
const demoLimit = 3 * time.Minute

func newDemo() *cobra.Command {
	var child string
	var transfers int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run all workloads, then kill a process in the middle of its work and recover",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if child != "" {
				return crashWork(child, transfers).UntilKilled(cmd.Context(), cmd.OutOrStdout())
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
			defer cancel()
			return fullDemo.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&child, "crash-child", "", "")
	cmd.Flags().IntVar(&transfers, "crash-transfers", fullDemo.transfers, "")
	for _, name := range []string{"crash-child", "crash-transfers"} {
		_ = cmd.Flags().MarkHidden(name) // exists: it was added above
	}
	return cmd
}

func (p demoPlan) run(ctx context.Context, out, stderr io.Writer) error {
	defer surviveClosedPipes()() // so that the directory is removed
	begin := time.Now()
	dir, err := os.MkdirTemp("", "netherite-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	if _, err := terminal.Printf(out, "Durable workflows on %d cores, each step on disk before it counts, in %s\n\n", runtime.NumCPU(), dir); err != nil {
		return nil // what is to be said of it is said of every command
	}
	results := make([]*bench.Result, len(p.runs))
	ok := 0
	for i, cfg := range p.runs {
		cfg.Dir = filepath.Join(dir, cfg.Workload)
		cfg.Partitions, cfg.Release, cfg.Version, cfg.SkipProbe = 8, "node", version(), true
		r, err := demoRun(ctx, cfg, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", cfg.Workload, err)
		}
		if results[i] = r; r.OK() {
			ok++
		} else {
			terminal.Printf(stderr, "%s: %d failed; check: %s\n", r.Workload, r.Failed, r.Check)
		}
	}
	printDemo(out, results)
	line, crashErr := p.crash(ctx, filepath.Join(dir, "crash"), stderr)
	terminal.Println(out, line)
	took := time.Since(begin).Seconds()
	if crashErr != nil || ok < len(p.runs) {
		terminal.Printf(out, "demo: failed %d/%d in %.1fs\n", ok, len(p.runs), took)
		return errors.Join(crashErr, &quiet{exitFailed})
	}
	terminal.Printf(out, "demo: ok %d/%d in %.1fs\n", ok, len(p.runs), took)
	return nil
}

func demoRun(ctx context.Context, cfg bench.Config, stderr io.Writer) (r *bench.Result, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	bar := newProgress(stderr, cfg)
	cfg.Progress = bar.set
	err = bench.Run(ctx, cfg, func(got *bench.Result) { r = got })
	bar.done(r)
	return r, err
}

func printDemo(out io.Writer, results []*bench.Result) {
	w := newTable(out, "Workload", "Completed", "Per second", "p50", "p99", "CPU each", "Syncs each", "Check")
	for _, r := range results {
		w.row(
			r.Workload, fmt.Sprintf("%d %s", r.Completed, plural(r.Unit)), fmt.Sprintf("%.0f", r.PerSecond),
			fmt.Sprintf("%.2f ms", r.P50), fmt.Sprintf("%.2f ms", r.P99),
			fmt.Sprintf("%.1f us", r.CPUPerOp), fmt.Sprintf("%.3f", r.SyncsPerOp), r.Check,
		)
	}
	w.Render()
}
