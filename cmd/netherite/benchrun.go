package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/spf13/cobra"
)

// measure runs the configurations one after the other and prints each result.
func (f *benchFlags) measure(cmd *cobra.Command, configs []bench.Config) (err error) {
	defer surviveClosedPipes()()
	if err := f.checkDir(); err != nil {
		return err
	}
	page, err := f.openPage(cmd) // now: an hour of runs must not end with "permission denied"
	if err != nil {
		return err
	}
	if err := f.checkProfileFile(); err != nil {
		return err
	}
	if err := f.makeDirs(configs); err != nil {
		return err
	}
	var done []rows.Row
	failed := false
	for i := range configs {
		if len(configs) > 1 {
			terminal.Printf(cmd.ErrOrStderr(), "run %d of %d: %s\n", i+1, len(configs), settings(&configs[i]))
		}
		r, runErr := f.measureOne(cmd, &configs[i])
		if runErr != nil {
			err = f.brokenOff(cmd.Context(), runErr, &configs[i]) // what there is goes into the report all the same
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
		err = errors.Join(err, page.write(done, len(configs), cmd.ErrOrStderr()))
	}
	if err == nil && failed {
		err = &quiet{exitFailed}
	}
	return err
}

// brokenOff says of a run that a signal has ended that it was one, and what it
// leaves.
func (f *benchFlags) brokenOff(ctx context.Context, err error, cfg *bench.Config) error {
	signalled, ok := errors.AsType[*interruption](context.Cause(ctx))
	switch {
	case !ok:
		return err
	case f.Dir == "":
		return signalled
	}
	if there, err := netherite.Exists(cfg.Dir); err == nil && !there { // it had not begun
		return fmt.Errorf("%w; there is no hub in %s yet", signalled, cfg.Dir)
	}
	return fmt.Errorf("%w; the hub in %s was not closed: whoever opens it next recovers it", signalled, cfg.Dir)
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
			return nil, usagef("make a temporary directory: %w; set TMPDIR to a folder that can be written to, or name a new directory with --dir", err)
		}
		cfg.Dir = dir
		defer os.RemoveAll(dir) // temporary: the system removes what is left
	}
	r, err := runAndKill(cmd.Context(), cfg, !f.json, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if cfg.Profile != "" {
		terminal.Printf(cmd.ErrOrStderr(), "profile of the window: %s\n", cfg.ProfileFile)
	}
	f.phase(cmd.ErrOrStderr(), cfg.Workload, "recovery after SIGKILL")
	took, err := bench.Recover(cmd.Context(), *cfg, r.Sample)
	if err != nil {
		return nil, err
	}
	r.RecoveryMillis = float64(took.Microseconds()) / 1000
	if f.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
			return nil, fmt.Errorf("print the result: %w", err)
		}
	} else if err := printed(cmd.OutOrStdout(), "result", func(b *bytes.Buffer) { printResult(b, r) }); err != nil {
		return nil, err
	}
	if !r.OK() {
		terminal.Printf(cmd.ErrOrStderr(), "netherite: bench %s: %d failed; check: %s\n", r.Workload, r.Failed, r.Check)
	}
	return r, nil
}
