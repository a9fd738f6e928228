package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

// tagFlags parses key=value pairs.
func tagFlags(pairs []string) (map[string]string, error) {
	tags := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("--tag %q: write key=value", p)
		}
		if before, twice := tags[k]; twice {
			return nil, usagef("the tag %q is given twice, as %q and %q: leave one of them out", k, before, v)
		}
		tags[k] = v
	}
	return tags, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func newInstanceStart(f *hubFlags) *cobra.Command {
	var id, ver, at string
	var tags []string
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Start an orchestration",
		Long: "Start an orchestration. If nobody runs the hub, the start is recorded, and the\n" +
			"orchestration runs when a program that has its code opens the directory.",
		Args: cobra.ExactArgs(1),
	}
	input := payloadFlag(cmd, "input", "input")
	cmd.Flags().StringVar(&id, "id", "", "instance ID; chosen if not given")
	cmd.Flags().StringVar(&ver, "version-tag", "", "version of the orchestration")
	cmd.Flags().StringVar(&at, "at", "", "start no earlier than this time (RFC 3339)")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "tag as key=value; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if id == "" && cmd.Flags().Changed("id") {
			return usagef("--id is empty: leave it out to have one chosen")
		}
		r := engine.StartRequest{Name: args[0], Instance: id, Version: ver}
		var err error
		if r.Input, err = input(); err != nil {
			return err
		}
		if r.Tags, err = tagFlags(tags); err != nil {
			return err
		}
		if r.At, err = timeFlag("at", at); err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error { return start(ctx, cmd, t, r) })
	}
	return cmd
}

// start starts an instance, prints its ID, and says so if nobody will run it.
func start(ctx context.Context, cmd *cobra.Command, t *target, r engine.StartRequest) error {
	s, err := t.Start(ctx, r)
	if err != nil {
		return err
	}
	terminal.Println(cmd.OutOrStdout(), s.Instance)
	return t.recorded(cmd, nil, "it starts")
}

// recorded says, after a request that was taken, when it takes effect if nobody
// runs the hub.
func (t *target) recorded(cmd *cobra.Command, err error, what string) error {
	if err == nil && !t.served {
		terminal.Println(cmd.ErrOrStderr(), "recorded; nobody is running this hub: "+what+" when a program with its code opens the directory")
	}
	return err
}

// done prints, as verbs on many do, that one was done, unless that has failed.
func (t *target) done(cmd *cobra.Command, what string, err error) error {
	if err == nil {
		terminal.Println(cmd.OutOrStdout(), what, 1)
	}
	return err
}

// timeFlag reads a time, or a date, whose beginning in UTC is meant.
func timeFlag(name, value string) (model.Time, error) {
	if value == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		t, err = time.Parse(time.DateOnly, value)
	}
	if err != nil {
		return 0, usagef("--%s: %q is not a time like 2026-01-31T09:00:00Z, nor a date like 2026-01-31, whose beginning in UTC is meant", name, value)
	}
	return model.TimeOf(t), nil
}

func newInstanceRestart(f *hubFlags) *cobra.Command {
	var sameID bool
	cmd := &cobra.Command{
		Use:   "restart ID",
		Short: "Start an instance again with the same name, version, input and tags",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&sameID, "same-id", false, "under the same ID, which must have ended, instead of a new one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if model.IsEntity(args[0]) {
			return usagef("%q is an entity; only orchestrations start", args[0])
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			m, err := t.Get(ctx, args[0], engine.GetOptions{Payloads: true})
			if err != nil {
				return err
			}
			r := engine.StartRequest{Name: m.Name, Version: m.Version, Input: m.Input, Tags: m.Tags}
			if sameID {
				r.Instance = m.ID
			}
			return start(ctx, cmd, t, r)
		})
	}
	return cmd
}
