package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/spf13/cobra"
)

// benchFlags are the flags of bench beside its configuration.
type benchFlags struct {
	bench.Config
	json  bool
	child bool // this process is the one to be killed
}

func newBench() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench " + strings.Join(bench.Names(), "|"),
		Short: "Measure a workload on a hub of its own",
		Long: "Measure a workload: warm up, run it for a while or a number of operations, check its\n" +
			"result, then kill the process that ran it and measure the recovery. Figures include a\n" +
			"final checkpoint. Exit code 0 only if nothing failed and the workload's check held.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Workload, f.Version = args[0], version()
			return f.run(cmd)
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&f.Clients, "clients", 128, "clients of the closed loop")
	fl.DurationVar(&f.Duration, "duration", 10*time.Second, "length of the window")
	fl.IntVar(&f.Count, "count", 0, "operations to make, instead of a duration (waiting: orchestrations that wait)")
	fl.DurationVar(&f.Warmup, "warmup", 2*time.Second, "uncounted time before the window")
	fl.Float64Var(&f.Rate, "rate", 0, "start so many operations a second (open loop) instead of keeping clients busy")
	fl.IntVar(&f.Preload, "preload", 0, "ended instances to put into the hub first")
	fl.IntVar(&f.Partitions, "partitions", 8, "partitions of the hub, 1 to 256")
	fl.StringVar(&f.Release, "release", "node", "when effects leave a partition: node, partition or conservative")
	fl.StringVar(&f.Dir, "dir", "", "data directory, new or empty; a temporary one if not given")
	fl.BoolVar(&f.Reuse, "reuse", false, "the directory may hold a hub already")
	fl.StringVar(&f.Profile, "profile", "", "record a profile of the window: cpu, mem or trace")
	fl.BoolVar(&f.json, "json", false, "print one line of JSON")
	fl.StringVar(&f.ProfileFile, "profile-file", "", "file of the profile (default netherite-WORKLOAD-TIME.pprof, or .trace)")
	fl.BoolVar(&f.child, "child", false, "")
	_ = fl.MarkHidden("child") // exists: it was added above
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	if err := f.Validate(); err != nil {
		return usagef("%w", err)
	}
	if f.Count == 0 && !f.child && cmd.Flags().Changed("count") {
		return usagef("--count 0: 1 to 100,000,000 are possible; without --count it runs for --duration")
	}
	if f.child {
		return f.runChild(cmd.Context(), cmd.OutOrStdout(), cmd.InOrStdin())
	}
	cleanup, err := f.prepareDir()
	if err != nil {
		return err
	}
	defer cleanup()
	if f.Profile != "" && f.ProfileFile == "" {
		f.ProfileFile = fmt.Sprintf("netherite-%s-%s.%s", f.Workload, time.Now().Format("150405"), map[string]string{"cpu": "pprof", "mem": "pprof", "trace": "trace"}[f.Profile])
	}
	r, err := f.runAndKill(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if f.Profile != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "profile of the window: %s\n", f.ProfileFile)
	}
	took, err := bench.Recover(cmd.Context(), f.Config, r.Sample)
	if err != nil {
		return err
	}
	r.RecoveryMillis = float64(took.Microseconds()) / 1000
	if f.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
			return fmt.Errorf("print the result: %w", err)
		}
	} else {
		printResult(cmd.OutOrStdout(), r)
	}
	if !r.OK() {
		fmt.Fprintf(cmd.ErrOrStderr(), "netherite: bench %s: %d failed; check: %s\n", r.Workload, r.Failed, r.Check)
		return &quiet{exitFailed}
	}
	return nil
}

// prepareDir makes sure that the directory may be used.
func (f *benchFlags) prepareDir() (cleanup func(), err error) {
	if f.Dir == "" {
		if f.Dir, err = os.MkdirTemp("", "netherite-bench-"); err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		return func() { _ = os.RemoveAll(f.Dir) }, nil // temporary: the system removes what is left
	}
	entries, err := os.ReadDir(f.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(f.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	case err != nil:
		return nil, usagef("read the data directory: %w", err)
	case len(entries) > 0 && !f.Reuse:
		return nil, usagef("the directory %s is not empty: name a new one, or say --reuse to run on the hub in it", f.Dir)
	}
	return func() {}, nil
}

// runChild runs the workload, prints the figures, and waits to be killed.
func (f *benchFlags) runChild(ctx context.Context, out io.Writer, in io.Reader) error {
	return bench.Run(ctx, f.Config, func(r *bench.Result) {
		if json.NewEncoder(out).Encode(r) == nil {
			_, _ = io.Copy(io.Discard, in) // until the parent kills this process, or has died
		}
	})
}

// runAndKill runs the workload in a process of its own and kills it.
func (f *benchFlags) runAndKill(ctx context.Context, stderr io.Writer) (*bench.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "bench", f.Workload, "--child",
		fmt.Sprint("--clients=", f.Clients), fmt.Sprint("--duration=", f.Duration), fmt.Sprint("--count=", f.Count),
		fmt.Sprint("--warmup=", f.Warmup), fmt.Sprint("--rate=", f.Rate), fmt.Sprint("--preload=", f.Preload),
		fmt.Sprint("--partitions=", f.Partitions), fmt.Sprint("--release=", f.Release), fmt.Sprint("--dir=", f.Dir), fmt.Sprint("--reuse=", f.Reuse),
		"--profile="+f.Profile, "--profile-file="+f.ProfileFile)
	child.Stderr = stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the measured process: %w", err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the measured process: %w", err)
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the measured process: %w", err)
	}
	line, readErr := bufio.NewReader(stdout).ReadBytes('\n')
	_ = child.Process.Kill() // it may have ended by itself, with an error
	waitErr := child.Wait()
	if readErr != nil {
		if exit, ok := errors.AsType[*exec.ExitError](waitErr); ok && exit.ExitCode() > 0 {
			return nil, &quiet{exit.ExitCode()} // it has said why
		}
		return nil, fmt.Errorf("the measured process ended without figures: %w", errors.Join(ctx.Err(), waitErr))
	}
	r := &bench.Result{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("figures of the measured process: %w", err)
	}
	return r, nil
}

func printResult(out io.Writer, r *bench.Result) {
	fmt.Fprintf(out, "%s: %d %s in %.1f s: %.0f a second (%d clients, %d partitions, release %s)\n",
		r.Workload, r.Completed, plural(r.Unit), r.Seconds, r.PerSecond, r.Clients, r.Partitions, r.Release)
	fmt.Fprintf(out, "  latency     p50 %.3f ms, p95 %.3f ms, p99 %.3f ms, max %.1f ms\n", r.P50, r.P95, r.P99, r.Max)
	fmt.Fprintf(out, "  per %-7s %.1f us CPU, %.0f log bytes, %.0f store bytes, %.0f device bytes, %.3f syncs\n",
		r.Unit, r.CPUPerOp, r.LogBytesPerOp, r.StoreBytesPerOp, r.DeviceBytesPerOp, r.SyncsPerOp)
	fmt.Fprintf(out, "  checkpoints %d complete in the window (%d of single partitions with the final ones), peak memory %d MB, recovery after SIGKILL %.0f ms\n",
		r.Checkpoints, r.PartitionCheckpoints, r.PeakRSS/1_000_000, r.RecoveryMillis)
	fmt.Fprintf(out, "  disk        fdatasync p50 %.3f ms over written blocks, %.3f ms growing a file\n", r.FdatasyncP50, r.FdatasyncAppendP50)
	fmt.Fprintf(out, "  steadiness  p99.9 of the worst second is %.1f times the p50 of the median one\n", r.WorstSecond)
	if r.OfPlainLoop > 0 {
		fmt.Fprintf(out, "  plain loop  %.1f %% of what the same processors do in one\n", r.OfPlainLoop*100)
	}
	if r.QueryMillis > 0 {
		fmt.Fprintf(out, "  query       first page by status, name and prefix among %d preloaded: %.2f ms\n", r.Preload, r.QueryMillis)
	}
	if r.EventP50 > 0 {
		fmt.Fprintf(out, "  lone event  p50 %.3f ms\n", r.EventP50)
	}
	fmt.Fprintf(out, "  failed %d, refused %d, check: %s\n", r.Failed, r.Refused, r.Check)
	if r.Counts {
		fmt.Fprintln(out, "  this row counts")
	} else {
		fmt.Fprintf(out, "  this row does not count: %s\n", r.WhyNot)
	}
}
