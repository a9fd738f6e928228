package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/internal/terminal"
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
	var lock *dirlock.Lock
	if err = notOthers(ctx, f.data); err == nil {
		lock, err = server.LockData(f.data, create)
	}
	if errors.Is(err, dirlock.ErrHeld) {
		return fmt.Errorf("%w; if that is a server, name it with --server, in the place of --data", err)
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
			if cmd.Flags().Changed("partitions") && partitions == 0 {
				return usagef("--partitions 0: want 1 to 256, or leave it out")
			}
			if f.data == "" && partitions != 0 {
				return usagef("--partitions %d: a server decides by itself (its setting partitions); this is for --data", partitions)
			}
			what := "is there" // whether it was before, nobody knows
			err = f.run(cmd, name, true, func(ctx context.Context, c *grpc.ClientConn) error {
				var head metadata.MD
				_, err := wire.NewTaskHubSidecarServiceClient(c).CreateTaskHub(ctx, &wire.CreateTaskHubRequest{}, grpc.Header(&head))
				if made := head.Get(durabletask.MadeHeader); len(made) > 0 {
					what = madeOrThere(made[0] == "true")
				}
				return err
			}, func(ctx context.Context) error {
				others, err := server.FindHubs(f.data)
				what = madeOrThere(!slices.Contains(others, name))
				if err == nil && !slices.Contains(others, name) {
					err = server.CheckNewHub(name, others)
				}
				if err == nil {
					err = server.Unfit(dir)
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
				terminal.Printf(cmd.OutOrStdout(), "task hub %q %s\n", name, what)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&partitions, "partitions", 0, "partitions, 1 to 256, with --data; default 8")
	return cmd
}

// madeOrThere says of a task hub that is to be created whether it was there before.
func madeOrThere(made bool) string {
	if made {
		return "is there, made now"
	}
	return "is there, and was before"
}

func (f *hubsFlags) newList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the task hubs", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		list := hubsJSON{Hubs: []string{}}
		err = f.run(cmd, gate.Everywhere, false, func(ctx context.Context, c *grpc.ClientConn) error {
			return list.of(ctx, c)
		}, func(context.Context) error { return list.in(f.data) })
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), list)
		}
		list.print(cmd.OutOrStdout())
		return nil
	}
	return cmd
}

// hubsJSON are task hubs in the command's output. Fields are only ever added.
type hubsJSON struct {
	Hubs   []string     `json:"hubs"`             // all, in order
	Broken []brokenJSON `json:"broken,omitempty"` // of these, what cannot be opened
	Ailing []brokenJSON `json:"ailing,omitempty"` // and what does not serve everything
}

type brokenJSON struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// print prints a hub a line, with what is wrong with it.
func (l *hubsJSON) print(out io.Writer) {
	for _, name := range l.Hubs {
		is := func(b brokenJSON) bool { return b.Name == name }
		if at := slices.IndexFunc(l.Broken, is); at >= 0 {
			terminal.Printf(out, "%s\tcannot be opened: %s\n", name, oneLine(l.Broken[at].Error))
		} else if at := slices.IndexFunc(l.Ailing, is); at >= 0 {
			terminal.Printf(out, "%s\tdoes not serve everything: %s\n", name, oneLine(l.Ailing[at].Error))
		} else {
			terminal.Println(out, name)
		}
	}
}

// of asks a server which task hubs it has.
func (l *hubsJSON) of(ctx context.Context, c *grpc.ClientConn) error {
	var list structpb.ListValue
	if err := c.Invoke(ctx, server.ListTaskHubs, &emptypb.Empty{}, &list); err != nil {
		return err
	}
	for _, v := range list.GetValues() {
		name := v.GetStringValue()
		if b := v.GetStructValue().GetFields(); b != nil {
			name = b[server.ListedName].GetStringValue()
			if ails := b[server.ListedAilment]; ails != nil {
				l.Ailing = append(l.Ailing, brokenJSON{name, ails.GetStringValue()})
			} else {
				l.Broken = append(l.Broken, brokenJSON{name, b[server.ListedError].GetStringValue()})
			}
		}
		l.Hubs = append(l.Hubs, name)
	}
	slices.Sort(l.Hubs)
	return nil
}

// in looks which task hubs a data directory has. Of their state it sees what it can
// without opening them.
func (l *hubsJSON) in(data string) error {
	found, err := server.FindHubs(data)
	if err != nil {
		return err
	}
	for _, name := range found {
		dir, err := server.HubDir(data, name)
		if err == nil {
			err = server.Lacking(dir)
		}
		if err != nil {
			l.Broken = append(l.Broken, brokenJSON{name, err.Error()})
		}
		l.Hubs = append(l.Hubs, name)
	}
	return nil
}

func (f *hubsFlags) newDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a task hub with all that is in it", Args: cobra.ExactArgs(1),
		ValidArgsFunction: suggesting(f.suggestHubs),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if _, err := server.HubDir(f.data, name); err != nil {
				return err
			}
			if !yes {
				return usagef("deleting task hub %q deletes all of its instances, and nothing brings them back: say --yes if that is meant", name)
			}
			err := f.run(cmd, name, false, func(ctx context.Context, c *grpc.ClientConn) error {
				_, err := wire.NewTaskHubSidecarServiceClient(c).DeleteTaskHub(ctx, &wire.DeleteTaskHubRequest{})
				return err
			}, func(context.Context) error {
				if found, err := server.FindHubs(f.data); err != nil || !slices.Contains(found, name) {
					return cmp.Or(err, notFoundf("there is no task hub %q in %s: netherite hub list --data %s shows those that there are", name, f.data, f.data))
				}
				return server.DeleteHub(f.data, name)
			})
			if err == nil {
				terminal.Printf(cmd.OutOrStdout(), "task hub %q is deleted\n", name)
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
	return typable(names)
}

// suggestHubs lists the task hubs of the server, or below the directory, that is meant.
func (f *hubFlags) suggestHubs(cmd *cobra.Command, _ []string, _ string) []string {
	at, err := f.resolve(cmd, "dir")
	switch {
	case err != nil:
		return nil
	case at != nil:
		return at.suggestHubs(cmd)
	}
	names, _ := server.FindHubs(f.dir)
	return typable(names)
}

// suggestHubs lists the task hubs of a server, if that says which to this caller.
func (s *serverAt) suggestHubs(cmd *cobra.Command) []string {
	ctx, cancel := completing(cmd)
	defer cancel()
	var list hubsJSON
	_ = s.call(ctx, gate.Everywhere, list.of)
	return typable(list.Hubs)
}
