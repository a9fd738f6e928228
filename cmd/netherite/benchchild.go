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
	"os/signal"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/terminal"
)

// runChild runs the workload, prints the figures, and waits to be killed. It ends
// with its parent, whichever way that ends; signals to both are the parent's.
func (f *benchFlags) runChild(ctx context.Context, cfg bench.Config, out, stderr io.Writer, in io.Reader) error {
	signal.Ignore(endings...)
	tuneFor(int64(cfg.Memory) << 20)
	go func() {
		_, _ = io.Copy(io.Discard, in) // ends when the parent has closed its end, or has died
		os.Exit(exitFailed)            // the data stand any end, and nobody waits for a graceful one
	}()
	if f.phases {
		cfg.Phase = func(what string) { f.phase(stderr, cfg.Workload, what) }
	}
	return bench.Run(context.WithoutCancel(ctx), cfg, func(r *bench.Result) {
		if json.NewEncoder(out).Encode(r) == nil {
			select {} // until the parent kills this process
		}
	})
}

// phase tells people what a run is doing.
func (f *benchFlags) phase(stderr io.Writer, workload, what string) {
	if !f.json {
		terminal.Printf(stderr, "%s: %s\n", workload, what)
	}
}

// runAndKill runs the workload in a process of its own and kills it.
func runAndKill(ctx context.Context, cfg *bench.Config, phases bool, stderr io.Writer) (*bench.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "bench", cfg.Workload, "--child", fmt.Sprint("--phases=", phases),
		fmt.Sprint("--clients=", cfg.Clients), fmt.Sprint("--duration=", cfg.Duration), fmt.Sprint("--count=", cfg.Count),
		fmt.Sprint("--warmup=", cfg.Warmup), fmt.Sprint("--rate=", cfg.Rate), fmt.Sprint("--preload=", cfg.Preload),
		fmt.Sprint("--partitions=", cfg.Partitions), fmt.Sprint("--memory=", cfg.Memory), fmt.Sprint("--release=", cfg.Release), fmt.Sprint("--dir=", cfg.Dir), fmt.Sprint("--reuse=", cfg.Reuse), fmt.Sprint("--remote=", cfg.Connect != nil),
		"--profile="+cfg.Profile, "--profile-file="+cfg.ProfileFile)
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
	stop := tellStopped(child.Process.Pid, "the measured process", stderr)
	line, readErr := bufio.NewReader(stdout).ReadBytes('\n')
	stop()
	_ = child.Process.Kill() // it may have ended by itself, with an error
	waitErr := child.Wait()
	if readErr != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if exit, ok := errors.AsType[*exec.ExitError](waitErr); ok && exit.ExitCode() > 0 {
			return nil, &quiet{exit.ExitCode()} // it has said why
		}
		return nil, fmt.Errorf("the measured process ended without figures: %w", waitErr)
	}
	r := &bench.Result{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("figures of the measured process: %w", err)
	}
	return r, nil
}
