package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// hubsFlags are those of all commands about task hubs.
type hubsFlags struct {
	servers
	data    string
	timeout time.Duration
}

func newHub() *cobra.Command {
	var f hubsFlags
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Create, list and delete the task hubs of a server (--server, --context), or of a data directory that nobody serves (--data)",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.at.addReach(cmd)
	f.addContext(cmd)
	cmd.PersistentFlags().StringVar(&f.data, "data", "", "data directory that no server has open")
	cmd.PersistentFlags().DurationVar(&f.timeout, "timeout", 30*time.Second, "give up after this long; 0 waits for ever")
	cmd.AddCommand(f.newCreate(), f.newList(), f.newDelete())
	return cmd
}

// run does one thing on the server, or in the data directory under its lock, which
// is made if the thing is to create a hub and the directory's parent is there.
func (f *hubsFlags) run(cmd *cobra.Command, hub string, create bool, remote func(context.Context, *grpc.ClientConn) error, local func(context.Context) error) error {
	ctx := cmd.Context()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	at, err := f.resolve(cmd, "data")
	switch {
	case err != nil:
		return err
	case at != nil:
		return at.call(ctx, hub, remote)
	case f.data == "":
		return usagef("name a server (--server HOST:PORT, or --context NAME), or a data directory that nobody serves (--data DIR)")
	}
	lock, err := server.LockData(f.data, create)
	if errors.Is(err, dirlock.ErrHeld) {
		return fmt.Errorf("%w; a server has it open: use --server", err)
	} else if err != nil {
		return err
	}
	return errors.Join(local(ctx), lock.Close())
}

func (f *hubsFlags) newCreate() *cobra.Command {
	var partitions int
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a task hub; one that is there is left alone", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			dir, err := server.HubDir(f.data, name)
			if err != nil {
				return err
			}
			if f.data == "" && partitions != 0 {
				return usagef("--partitions %d: a server decides by itself (its setting partitions); this is for --data", partitions)
			}
			err = f.run(cmd, name, true, func(ctx context.Context, c *grpc.ClientConn) error {
				_, err := wire.NewTaskHubSidecarServiceClient(c).CreateTaskHub(ctx, &wire.CreateTaskHubRequest{})
				return err
			}, func(ctx context.Context) error {
				others, err := server.FindHubs(f.data)
				if err == nil && !slices.Contains(others, name) {
					err = server.CheckNewHub(name, others)
				}
				if err != nil {
					return err
				}
				hub, err := netherite.Open(dir, netherite.Partitions(partitions), netherite.Retention(-1))
				if err != nil {
					return err
				}
				return hub.Close(ctx)
			})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "task hub %q is there\n", name)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&partitions, "partitions", 0, "partitions, 1 to 256, with --data; default 8")
	return cmd
}

func (f *hubsFlags) newList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the task hubs", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		names := []string{}
		err = f.run(cmd, gate.Everywhere, false, func(ctx context.Context, c *grpc.ClientConn) error {
			found, err := hubsAt(ctx, c)
			names = append(names, found...)
			return err
		}, func(context.Context) error {
			found, err := server.FindHubs(f.data)
			names = append(names, found...)
			return err
		})
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), map[string][]string{"hubs": names})
		}
		for _, name := range names {
			fmt.Fprintln(cmd.OutOrStdout(), name)
		}
		return nil
	}
	return cmd
}

// hubsAt asks a server which task hubs it has.
func hubsAt(ctx context.Context, c *grpc.ClientConn) (names []string, err error) {
	var list structpb.ListValue
	if err := c.Invoke(ctx, server.ListTaskHubs, &emptypb.Empty{}, &list); err != nil {
		return nil, err
	}
	for _, v := range list.GetValues() {
		names = append(names, v.GetStringValue())
	}
	return names, nil
}

func (f *hubsFlags) newDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a task hub with all that is in it", Args: cobra.ExactArgs(1),
		ValidArgsFunction: suggesting(f.suggestHubs),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			dir, err := server.HubDir(f.data, name)
			if err != nil {
				return err
			}
			if !yes {
				return usagef("deleting task hub %q deletes all of its instances, and nothing brings them back: say --yes if that is meant", name)
			}
			err = f.run(cmd, name, false, func(ctx context.Context, c *grpc.ClientConn) error {
				_, err := wire.NewTaskHubSidecarServiceClient(c).DeleteTaskHub(ctx, &wire.DeleteTaskHubRequest{})
				return err
			}, func(context.Context) error {
				if !netherite.Exists(dir) {
					return fmt.Errorf("there is no task hub %q in %s: %w", name, f.data, engine.ErrNotFound)
				}
				return server.DeleteHub(f.data, name)
			})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "task hub %q is deleted\n", name)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, delete it")
	return cmd
}

// suggestHubs lists the task hubs of the server or the directory that is meant.
func (f *hubsFlags) suggestHubs(cmd *cobra.Command, args []string, _ string) []string {
	if len(args) > 0 {
		return nil
	}
	at, err := f.resolve(cmd, "data")
	switch {
	case err != nil:
		return nil
	case at != nil:
		return at.suggestHubs(cmd)
	}
	names, _ := server.FindHubs(f.data) // whether somebody serves them or not
	return names
}

// suggestHubs lists the task hubs of the server that is meant.
func (f *hubFlags) suggestHubs(cmd *cobra.Command, _ []string, _ string) []string {
	if at, err := f.resolve(cmd, "dir"); err == nil && at != nil {
		return at.suggestHubs(cmd)
	}
	return nil
}

// suggestHubs lists the task hubs of a server, if that says which to this caller.
func (s *serverAt) suggestHubs(cmd *cobra.Command) (names []string) {
	ctx, cancel := completing(cmd)
	defer cancel()
	_ = s.call(ctx, gate.Everywhere, func(ctx context.Context, c *grpc.ClientConn) (err error) {
		names, err = hubsAt(ctx, c)
		return err
	})
	return names
}
