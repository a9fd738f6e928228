package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/server/config"
)

// newServer is the server for production: it is told everything, and makes nothing
// that nobody asked for.
func newServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Serve the task hubs of a data directory",
		Long: `Serve the task hubs of a data directory to workers and clients of the Durable
Task SDKs (gRPC) and over HTTP. --data, --grpc and --http must be set. Settings
are flags, variables NETHERITE_..., or in a file (--config), in that order.`,
		Args: cobra.NoArgs,
	}
	addServing(cmd, config.Server)
	return cmd
}

// newDev is the server for a programmer's own machine.
func newDev() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Serve task hubs on this machine, without any configuration",
		Long: `Serve task hubs on this machine to workers and clients of the Durable Task SDKs
(gRPC) and over HTTP. Task hubs are made for workers that ask for work, and for
starts and signals; where a port is taken that nobody has asked for, another one is
used. Nothing has to be set. --grpc takes the place of both ports, 4001 and 8080.`,
		Args: cobra.NoArgs,
	}
	addServing(cmd, config.Dev)
	return cmd
}

// addServing gives a command its flags and what it does.
func addServing(cmd *cobra.Command, c config.Command) {
	config.Flags(cmd.Flags(), c)
	checkOnly := cmd.Flags().Bool("check-config", false, "say what is wrong with the settings, and serve nothing")
	cmd.Flags().SortFlags = false
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := config.Load(c, cmd.Flags(), os.Environ())
		if err != nil {
			return usagef("settings:\n%w", err)
		}
		if *checkOnly {
			if err := s.Config.Check(); err != nil {
				return refused(err)
			}
			terminal.Println(cmd.OutOrStdout(), "settings: ok")
			return nil
		}
		return refused(serve(cmd.Context(), c, s, unchecked(cmd.OutOrStdout()), cmd.ErrOrStderr()))
	}
}

// refused makes a configuration that is refused a usage error, whether it was only
// to be checked or to be served.
func refused(err error) error {
	if e, ok := errors.AsType[*server.ConfigError](err); ok {
		return usagef("settings:\n%w", e)
	}
	return err
}
