package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/spf13/cobra"
)

// newChaosHost is the process that tests kill, stop, and run out of disk. It is
// no part of the command's contract, and hidden.
func newChaosHost() *cobra.Command {
	var partitions int
	var checkpoint int64
	var retention time.Duration
	cmd := &cobra.Command{
		Use:    "chaos-host DIR",
		Short:  "Serve a hub to the tests that kill its process",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			h := chaos.Host{Dir: args[0], Options: []netherite.Option{
				netherite.Partitions(partitions), netherite.CheckpointEvery(checkpoint, 0),
				netherite.Retention(retention), netherite.Logger(logger),
			}}
			if err := h.Run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("chaos host: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&partitions, "partitions", 0, "of a new hub")
	cmd.Flags().Int64Var(&checkpoint, "checkpoint-bytes", 0, "bytes of log between two checkpoints")
	cmd.Flags().DurationVar(&retention, "retention", 0, "how long ended instances are kept")
	return cmd
}
