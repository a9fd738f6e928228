package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

func newInstance() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "instance",
		Short: "Work with orchestration instances of a hub",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := &hubFlags{}
	f.addServers(cmd)
	cmd.AddCommand(
		newInstanceList(f), newInstanceShow(f), newInstanceHistory(f), newInstanceWait(f), newInstanceStart(f), newInstanceRaise(f),
		newInstanceReasons(f, "suspend", "suspended", "Hold back an instance's messages, or those of all that match", endedOr(model.Suspended), unsuspended, engine.Client.Suspend),
		newInstanceReasons(f, "resume", "resumed", "Let a suspended instance go on, or all that match", but(model.Suspended), suspendedOnly, engine.Client.Resume),
		newInstanceReasons(f, "rewind", "rewound", "Take back the failures of a failed instance and run it on, or all that match", but(model.Failed), failedOnly, engine.Client.Rewind),
		newInstanceReason(f, "retry", "retried", "Let a quarantined instance or entity go on where it was", retry),
		newInstanceTerminate(f), newInstanceRestart(f), newInstancePurge(f), newInstanceTail(f),
	)
	completeIDs(cmd, f)
	for _, sub := range cmd.Commands() {
		canonicalID(sub)
	}
	return cmd
}

// canonicalID makes a command take the ID of an entity however its type is written.
func canonicalID(cmd *cobra.Command) {
	if _, args, _ := strings.Cut(cmd.Use, " "); !strings.HasPrefix(strings.TrimPrefix(args, "["), "ID") {
		return
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			args = slices.Concat([]string{model.CanonicalID(args[0])}, args[1:])
		}
		return run(cmd, args)
	}
}

// outputFlag adds -o and returns a check of its value. For YAML the command's output
// is one that turns JSON into it.
func outputFlag(cmd *cobra.Command) func() (asJSON bool, err error) { return formatFlag(cmd, "output") }

// formatFlag is outputFlag for commands of which --output means something else.
func formatFlag(cmd *cobra.Command, long string) func() (asJSON bool, err error) {
	format := cmd.Flags().StringP(long, "o", "table", "output format: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc(long, cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return func() (bool, error) {
		switch *format {
		case "table", "json":
		case "yaml":
			cmd.SetOut(yamlOut{cmd.OutOrStdout()})
		default:
			return false, usagef("unknown output format %q: use table, json or yaml", *format)
		}
		return *format != "table", nil
	}
}

func newInstanceShow(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show an instance and what it is waiting for",
		Args:  cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			m, err := t.Get(ctx, args[0], engine.GetOptions{Payloads: true, Waits: true})
			if err != nil {
				return err
			}
			j := toJSON(m)
			if err := locate(ctx, t, j); err != nil {
				return err
			}
			return printInstance(cmd.OutOrStdout(), j, asJSON)
		})
	}
	return cmd
}

func printInstance(out io.Writer, j *instanceJSON, asJSON bool) error {
	if asJSON {
		return printJSON(out, j)
	}
	field := func(name string, value any) {
		if value != nil && value != "" {
			terminal.Printf(out, "%-14s %s\n", name+":", text(value))
		}
	}
	field("instance", j.InstanceID)
	field("name", j.Name)
	field("version", j.Version)
	field("status", j.RuntimeStatus)
	field("input", j.Input)
	field("output", j.Output)
	field("custom status", j.CustomStatus)
	if j.Failure != nil {
		field("failure", terminal.Lines(j.Failure.String(), strings.Repeat(" ", 15)))
	}
	field("created", j.CreatedTime)
	field("updated", j.LastUpdated)
	field("completed", j.Completed)
	field("scheduled for", j.ScheduledTime)
	field("parent", j.ParentID)
	for _, k := range sortedKeys(j.Tags) {
		field("tag "+k, j.Tags[k])
	}
	field("execution", j.ExecutionID)
	field("history", fmt.Sprintf("%d events, %d bytes", j.HistoryEvents, j.HistoryBytes))
	if e := j.Entity; e != nil {
		field("state", e.State)
		field("backlog", fmt.Sprint(e.Backlog))
		field("locked by", e.LockedBy)
		field("lock queue", strings.Join(e.LockQueue, ", "))
	}
	printWaits(out, j.WaitingFor)
	return nil
}

// text shows a payload or string on one line, and what has been made lines as it is.
func text(v any) terminal.Safe {
	switch v := v.(type) {
	case terminal.Safe:
		return v
	case json.RawMessage:
		return payloadText(v)
	}
	return terminal.Text(fmt.Sprint(v))
}

// payloadText shows a payload on one line: JSON that has several without the white space,
// all else as it is.
func payloadText(p []byte) terminal.Safe {
	var b bytes.Buffer
	if !terminal.Clean(string(p)) && json.Compact(&b, p) == nil {
		p = terminal.JSON(b.Bytes())
	}
	return terminal.Text(string(p))
}

func newInstanceWait(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until an instance has ended, and show it",
		Args:  cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			m, err := await(ctx, t, args[0])
			if err != nil {
				return err
			}
			return printInstance(cmd.OutOrStdout(), toJSON(m), asJSON)
		})
	}
	return cmd
}

// await waits for the end of an instance; it does not wait for what nobody runs.
func await(ctx context.Context, t *target, id string) (*model.Instance, error) {
	o := engine.GetOptions{Payloads: true, Waits: true}
	if t.served {
		return t.Wait(ctx, id, engine.UntilEnded, o)
	}
	m, err := t.Get(ctx, id, o)
	if err == nil && !m.Status.Ended() {
		return nil, fmt.Errorf("instance %q is %s: %w", id, m.Status, errNotServed)
	}
	return m, err
}

func newInstanceRaise(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "raise ID EVENT",
		Short: "Raise an external event for an instance",
		Args:  cobra.ExactArgs(2),
	}
	data := payloadFlag(cmd, "data", "the event's payload")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		payload, err := data()
		if err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			m, err := t.Get(ctx, args[0], engine.GetOptions{})
			if err == nil {
				err = living(m) // the engine takes events for what has ended, without effect
			}
			if err == nil {
				err = t.Raise(ctx, engine.RaiseRequest{Instance: args[0], Event: args[1], Payload: payload})
			}
			return t.done(cmd, "raised", t.recorded(cmd, err, "it is delivered"))
		})
	}
	return cmd
}

// newInstanceReason makes a command for an operation that takes a reason.
func newInstanceReason(f *hubFlags, verb, done, short string, do func(engine.Client, context.Context, string, string) error) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, t *target) error { return t.done(cmd, done, do(t, ctx, args[0], reason)) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	return cmd
}

// newInstanceReasons makes a command for an operation that takes a reason, on one
// instance or on all that match.
func newInstanceReasons(f *hubFlags, verb, done, short string, skip func(model.Status) bool, refuse func(*model.Instance) error, do func(engine.Client, context.Context, string, string) error) *cobra.Command {
	var b bulk
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " [ID]",
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.run(cmd, f, args, bulkVerb{done, skip, refuse, func(ctx context.Context, t *target, id string) error { return do(t, ctx, id, reason) }})
		},
	}
	b.add(cmd, "output")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	return cmd
}

// retry ends a quarantine. To rewind does that; but an instance that has failed is
// not to be rewound by mistake.
func retry(c engine.Client, ctx context.Context, id, reason string) error {
	inst, err := c.Get(ctx, id, engine.GetOptions{Waits: true})
	if err != nil {
		return err
	}
	if inst.Waits == nil || inst.Waits.Quarantine == nil {
		return fmt.Errorf("retry %q: %w: it is not quarantined", id, engine.ErrInvalid)
	}
	if inst.Status.Ended() && inst.Status != model.Failed {
		return fmt.Errorf("retry %q: %w: it had ended (%v) before it was quarantined, so that nothing is left to do; netherite instance purge removes it", id, engine.ErrInvalid, inst.Status)
	}
	return c.Rewind(ctx, id, reason)
}

func newInstanceTerminate(f *hubFlags) *cobra.Command {
	var b bulk
	var recursive bool
	cmd := &cobra.Command{
		Use:   "terminate [ID]",
		Short: "End an instance at once, or all that match",
		Args:  cobra.MaximumNArgs(1),
	}
	b.add(cmd, "output-format")
	output := payloadFlag(cmd, "output", "the instance's output")
	cmd.Flags().BoolVar(&recursive, "recursive", false, "end its living sub-orchestrations too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		payload, err := output()
		if err != nil {
			return err
		}
		return b.run(cmd, f, args, bulkVerb{"terminated", ended, living, func(ctx context.Context, t *target, id string) error {
			return t.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: payload, Recursive: recursive})
		}})
	}
	return cmd
}

func newInstanceHistory(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Print the history of an instance's current execution",
		Args:  cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		if model.IsEntity(args[0]) {
			return usagef("%q is an entity: it has a state, and no history", args[0])
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			events, err := t.History(ctx, args[0])
			if err != nil {
				return err
			}
			return printHistory(cmd.OutOrStdout(), events, asJSON)
		})
	}
	return cmd
}
