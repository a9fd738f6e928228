// Command netherite is the one binary of the project: it shows the engine
// (demo), measures it (bench), inspects data directories (inspect), works with the
// instances and entities of a hub (instance, entity), and serves hubs to programs
// in any language (server, dev).
//
// Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 a check
// failed, 2 usage, 3 not found, 4 held or not served, 5 timed out; bench ends with
// 129, 130 or 143 when SIGHUP, SIGINT or SIGTERM breaks it off.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/internal/terminal"
)

func main() {
	tuneRuntime()
	ctx, stop := untilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	out := &checkedOut{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(withArgs(ctx, args))
	if err == nil {
		err = out.failure()
	}
	if err == nil {
		return exitDone
	}
	var silent *quiet
	if !errors.As(err, &silent) {
		complain(stderr, err)
	}
	return exitCode(err)
}

// complain prints an error. Behind its first line all are indented: servers, workers and
// files have a part in what errors say.
func complain(stderr io.Writer, err error) {
	terminal.Printf(stderr, "netherite: %s\n", terminal.Lines(err.Error(), "  "))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "netherite",
		Short:         "Durable workflows on a partitioned engine with one commit log",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%w%s", inWords(err), flagHint(cmd, err)) })
	root.AddCommand(newDemo(), newBench(), newSim(), newInspect(), newBackup(), newRestore(), newRepair(), newInstance(), newEntity(), newContext(), newServer(), newDev(), newHub(), newKey(), newVersion(), newChaosHost())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	knowTopics(root)
	markUsage(root)
	completeAll(root)
	return root
}

// knowTopics makes help, and the command that has one for each shell, refuse what they
// do not know, in the place of telling something else.
func knowTopics(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run, cmd.RunE = nil, func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
				}
				if err != nil {
					return usagef("%w; see: %s --help", err, about.CommandPath())
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// markUsage makes the complaints of a command, and all below it, about its
// arguments usage errors.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usagef("%w; see: %s --help", err, cmd.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}
