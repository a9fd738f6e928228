package main

import (
	"context"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

func newEntity() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "entity",
		Short: "Work with entities of a hub",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := &hubFlags{}
	f.addServers(cmd)
	list := &cobra.Command{Use: "list", Short: "List entities, a page at a time", Args: cobra.NoArgs}
	cmd.AddCommand(listCommand(f, list, true), newEntityGet(f), newEntitySignal(f))
	completeEntities(cmd, f)
	return cmd
}

// entityID reads TYPE KEY.
func entityID(args []string) (string, error) {
	if strings.Contains(args[0], "@") {
		return "", usagef("entity type %q contains @: write TYPE KEY", args[0])
	}
	id := model.EntityID{Name: args[0], Key: args[1]}.String()
	if err := model.ValidateInstanceID(id); err != nil {
		return "", usagef("%w", err)
	}
	return id, nil
}

func newEntityGet(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "get TYPE KEY", Short: "Show an entity and its state", Args: cobra.ExactArgs(2)}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		id, err := entityID(args)
		if err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			m, err := t.Get(ctx, id, engine.GetOptions{Payloads: true, Waits: true})
			if err != nil {
				return err
			}
			return printInstance(cmd.OutOrStdout(), toJSON(m), asJSON)
		})
	}
	return cmd
}

func newEntitySignal(f *hubFlags) *cobra.Command {
	var data, at string
	cmd := &cobra.Command{
		Use:   "signal TYPE KEY OPERATION",
		Short: "Send a one-way operation to an entity",
		Args:  cobra.ExactArgs(3),
	}
	cmd.Flags().StringVar(&data, "data", "", "the operation's input, JSON")
	_ = cmd.RegisterFlagCompletionFunc("data", cobra.NoFileCompletions)
	cmd.Flags().StringVar(&at, "at", "", "not before this time (RFC 3339)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := entityID(args)
		if err != nil {
			return err
		}
		r := engine.SignalRequest{Entity: id, Operation: args[2]}
		if r.Input, err = jsonFlag("data", data, cmd.Flags().Changed("data")); err != nil {
			return err
		}
		if r.At, err = timeFlag("at", at); err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			return t.recorded(cmd, t.Signal(ctx, r), "it is applied")
		})
	}
	return cmd
}
