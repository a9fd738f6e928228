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
	"path/filepath"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/spf13/cobra"
)

// measure runs the configurations one after the other and prints each result.
func (f *benchFlags) measure(cmd *cobra.Command, configs []bench.Config) (err error) {
	page, err := openPage(f.report) // now: an hour of runs must not end with "permission denied"
	if err != nil {
		return err
	}
	defer page.discard()
	if err := f.checkProfileFile(); err != nil {
		return err
	}
	if err := f.prepareDirs(configs); err != nil {
		return err
	}
	var done []rows.Row
	failed := false
	for i := range configs {
		if len(configs) > 1 {
			fmt.Fprintf(cmd.ErrOrStderr(), "run %d of %d: %s\n", i+1, len(configs), settings(&configs[i]))
		}
		r, runErr := f.measureOne(cmd, &configs[i])
		if runErr != nil {
			err = runErr // what there is goes into the report all the same
			break
		}
		failed = failed || !r.OK()
		row, rowErr := rows.Of(r)
		if rowErr != nil {
			return rowErr
		}
		done = append(done, row)
	}
	if len(done) > 0 {
		err = errors.Join(err, page.write(done, cmd.ErrOrStderr()))
	}
	if err == nil && failed {
		err = &quiet{exitFailed}
	}
	return err
}

func settings(c *bench.Config) rows.Settings {
	return rows.Settings{
		Workload: c.Workload, Clients: c.Clients, Partitions: c.Partitions, Release: c.Release, Rate: c.Rate, Count: c.Count, Preload: c.Preload,
		Memory: c.Memory,
	}
}

// measureOne runs one configuration, kills it, recovers, and prints the result.
func (f *benchFlags) measureOne(cmd *cobra.Command, cfg *bench.Config) (*bench.Result, error) {
	if cfg.Profile != "" && cfg.ProfileFile == "" {
		ending := map[string]string{"cpu": "pprof", "mem": "pprof", "trace": "trace"}[cfg.Profile]
		cfg.ProfileFile = fmt.Sprintf("netherite-%s-%s.%s", cfg.Workload, time.Now().Format("150405"), ending)
	}
	if f.Dir == "" {
		dir, err := os.MkdirTemp("", "netherite-bench-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		cfg.Dir = dir
		defer os.RemoveAll(dir) // temporary: the system removes what is left
	}
	r, err := runAndKill(cmd.Context(), cfg, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if cfg.Profile != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "profile of the window: %s\n", cfg.ProfileFile)
	}
	took, err := bench.Recover(cmd.Context(), *cfg, r.Sample)
	if err != nil {
		return nil, err
	}
	r.RecoveryMillis = float64(took.Microseconds()) / 1000
	if f.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
			return nil, fmt.Errorf("print the result: %w", err)
		}
	} else {
		printResult(cmd.OutOrStdout(), r)
	}
	if !r.OK() {
		fmt.Fprintf(cmd.ErrOrStderr(), "netherite: bench %s: %d failed; check: %s\n", r.Workload, r.Failed, r.Check)
	}
	return r, nil
}

// prepareDirs makes sure that the directory may be used, and gives each of
// several runs one of its own below it.
func (f *benchFlags) prepareDirs(configs []bench.Config) error {
	if f.Dir == "" {
		return nil // each run makes a temporary one
	}
	entries, err := os.ReadDir(f.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(f.Dir, 0o700); err != nil {
			return usagef("make the data directory: %w; name one that can be written to", err)
		}
	case err != nil:
		return usagef("read the data directory: %w; name one that can be written to", err)
	case len(entries) > 0 && !f.Reuse:
		return usagef("the directory %s is not empty: name a new one, or say --reuse to run on the hub in it", f.Dir)
	}
	if err := writable(f.Dir); err != nil {
		return usagef("write to the data directory: %w; name another one", err)
	}
	if len(configs) == 1 {
		return nil
	}
	for i := range configs {
		configs[i].Dir = filepath.Join(f.Dir, fmt.Sprintf("run-%d", i+1))
		if err := os.Mkdir(configs[i].Dir, 0o700); err != nil {
			return usagef("make the data directory: %w", err)
		}
	}
	return nil
}

// writable tries to make a file in a directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// runChild runs the workload, prints the figures, and waits to be killed.
func (f *benchFlags) runChild(ctx context.Context, cfg bench.Config, out io.Writer, in io.Reader) error {
	tuneFor(int64(cfg.Memory) << 20)
	return bench.Run(ctx, cfg, func(r *bench.Result) {
		if json.NewEncoder(out).Encode(r) == nil {
			_, _ = io.Copy(io.Discard, in) // until the parent kills this process, or has died
		}
	})
}

// runAndKill runs the workload in a process of its own and kills it.
func runAndKill(ctx context.Context, cfg *bench.Config, stderr io.Writer) (*bench.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "bench", cfg.Workload, "--child",
		fmt.Sprint("--clients=", cfg.Clients), fmt.Sprint("--duration=", cfg.Duration), fmt.Sprint("--count=", cfg.Count),
		fmt.Sprint("--warmup=", cfg.Warmup), fmt.Sprint("--rate=", cfg.Rate), fmt.Sprint("--preload=", cfg.Preload),
		fmt.Sprint("--partitions=", cfg.Partitions), fmt.Sprint("--memory=", cfg.Memory), fmt.Sprint("--release=", cfg.Release), fmt.Sprint("--dir=", cfg.Dir), fmt.Sprint("--reuse=", cfg.Reuse),
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
