package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
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
	cmd.AddCommand(listCommand(f, list, true), newEntityGet(f), newEntitySignal(f), newEntityDelete(f))
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
	var at string
	cmd := &cobra.Command{
		Use:   "signal TYPE KEY OPERATION",
		Short: "Send a one-way operation to an entity",
		Args:  cobra.ExactArgs(3),
	}
	data := payloadFlag(cmd, "data", "the operation's input")
	cmd.Flags().StringVar(&at, "at", "", "not before this time (RFC 3339)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := entityID(args)
		if err != nil {
			return err
		}
		r := engine.SignalRequest{Entity: id, Operation: args[2]}
		if r.Input, err = data(); err != nil {
			return err
		}
		if r.At, err = timeFlag("at", at); err != nil {
			return err
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			return t.done(cmd, "signalled", t.recorded(cmd, t.Signal(ctx, r), "it is applied"))
		})
	}
	return cmd
}

func newEntityDelete(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "delete TYPE KEY",
		Short: "Have an entity's code delete its state, and forget the entity",
		Long: `Have an entity's code delete its state, by the operation delete that every entity
has unless its code defines another, and forget the entity. What has been sent to
it before is applied first. One that is quarantined is forgotten with its state
and with what it holds. If no worker takes the operation now, it is recorded.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := entityID(args)
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, t *target) error { return deleteEntity(ctx, cmd, t, id) })
		},
	}
}

// deleteEntity forgets an entity that is set aside or has nothing; another one is
// told to delete what it has, and forgotten if it does.
func deleteEntity(ctx context.Context, cmd *cobra.Command, t *target, id string) error {
	m, err := t.Get(ctx, id, engine.GetOptions{Payloads: true, Waits: true})
	if err != nil {
		return err
	}
	if !forgettable(m) {
		if err := t.Signal(ctx, engine.SignalRequest{Entity: id, Operation: "delete"}); err != nil {
			return err
		}
		if !t.served {
			return t.recorded(cmd, nil, "it is deleted")
		}
		m, err = t.Get(ctx, id, engine.GetOptions{Payloads: true, Waits: true, Fresh: true})
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil
		case err != nil:
			return err
		case m.Entity != nil && (m.Entity.Backlog > 0 || m.Entity.LockedBy != ""):
			terminal.Println(cmd.ErrOrStderr(), "recorded; it is deleted once a worker has applied what waits for it: netherite entity get says what that is")
			return nil
		case !forgettable(m):
			return fmt.Errorf("entity %q was sent the operation delete, which has been answered, and it has a state as before: its code defines delete otherwise, or the operation failed, "+
				"as it does with a worker of an SDK that has no code for %s: the log of who runs the hub says so, with \"signalled operation failed\" and the type of the error", id, m.Name)
		}
	}
	if _, err := t.Purge(ctx, id, false); err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	return nil
}

// forgettable reports whether an entity has nothing, or is set aside.
func forgettable(m *model.Instance) bool {
	e := m.Entity
	return m.Waits != nil && m.Waits.Quarantine != nil || e != nil && e.State == nil && e.Backlog == 0 && e.LockedBy == ""
}
