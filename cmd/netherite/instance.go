package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/engine"
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
		newInstanceReasons(f, "suspend", "suspended", "Hold back an instance's messages, or those of all that match", endedOr(model.Suspended), engine.Client.Suspend),
		newInstanceReasons(f, "resume", "resumed", "Let a suspended instance go on, or all that match", but(model.Suspended), engine.Client.Resume),
		newInstanceReasons(f, "rewind", "rewound", "Take back the failures of a failed instance and run it on, or all that match", but(model.Failed), engine.Client.Rewind),
		newInstanceReason(f, "retry", "Let a quarantined instance or entity go on where it was", retry),
		newInstanceTerminate(f), newInstanceRestart(f), newInstancePurge(f), newInstanceTail(f),
	)
	completeIDs(cmd, f)
	return cmd
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
			fmt.Fprintf(out, "%-14s %s\n", name+":", text(value))
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
		field("failure", j.Failure.String())
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

// text shows a payload or string on one line.
func text(v any) string {
	if raw, ok := v.(interface{ MarshalJSON() ([]byte, error) }); ok {
		if b, err := raw.MarshalJSON(); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
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
	var data string
	cmd := &cobra.Command{
		Use:   "raise ID EVENT",
		Short: "Raise an external event for an instance",
		Args:  cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&data, "data", "", "the event's payload, JSON")
	_ = cmd.RegisterFlagCompletionFunc("data", cobra.NoFileCompletions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		payload, err := jsonFlag("data", data, cmd.Flags().Changed("data"))
		if err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			err := t.Raise(ctx, engine.RaiseRequest{Instance: args[0], Event: args[1], Payload: payload})
			return t.recorded(cmd, err, "it is delivered")
		})
	}
	return cmd
}

// newInstanceReason makes a command for an operation that takes a reason.
func newInstanceReason(f *hubFlags, verb, short string, do func(engine.Client, context.Context, string, string) error) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, t *target) error { return do(t, ctx, args[0], reason) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	return cmd
}

// newInstanceReasons makes a command for an operation that takes a reason, on one
// instance or on all that match.
func newInstanceReasons(f *hubFlags, verb, done, short string, skip func(model.Status) bool, do func(engine.Client, context.Context, string, string) error) *cobra.Command {
	var b bulk
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " [ID]",
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.run(cmd, f, args, bulkVerb{done, skip, func(ctx context.Context, t *target, id string) error { return do(t, ctx, id, reason) }})
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
	return c.Rewind(ctx, id, reason)
}

func newInstanceTerminate(f *hubFlags) *cobra.Command {
	var b bulk
	var output string
	var recursive bool
	cmd := &cobra.Command{
		Use:   "terminate [ID]",
		Short: "End an instance at once, or all that match",
		Args:  cobra.MaximumNArgs(1),
	}
	b.add(cmd, "output-format")
	cmd.Flags().StringVar(&output, "output", "", "the instance's output, JSON")
	cmd.Flags().BoolVar(&recursive, "recursive", false, "end its living sub-orchestrations too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		payload, err := jsonFlag("output", output, cmd.Flags().Changed("output"))
		if err != nil {
			return err
		}
		return b.run(cmd, f, args, bulkVerb{"terminated", ended, func(ctx context.Context, t *target, id string) error {
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
