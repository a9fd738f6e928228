package main

import (
	"fmt"
	"time"

	"github.com/netherite-go/netherite/sim"
	"github.com/spf13/cobra"
)

func newSim() *cobra.Command {
	var (
		seed  uint64
		seeds int
		trace bool
		ops   int
	)
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate a hub whose disks, clocks, messages and workers misbehave, by seeds",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			o := sim.Options{Operations: ops}
			if trace {
				o.Trace = out
			}
			fmt.Fprintf(out, "sim: seed=%d commit=%s\n", seed, version())
			failed, events, faults := 0, 0, 0
			var virtual time.Duration
			sim.Batch(cmd.Context(), seed, seeds, o, func(r sim.Result) {
				events, faults, virtual = events+r.Events, faults+r.Faults, virtual+r.Virtual
				verdict := "ok"
				if r.Err != nil {
					failed++
					verdict = "failed"
				}
				fmt.Fprintf(out, "seed=%d hash=%016x events=%d faults=%d virtual=%dh%02dm %s\n", r.Seed, r.Hash, r.Events, r.Faults,
					int(r.Virtual.Hours()), int(r.Virtual.Minutes())%60, verdict)
				if r.Err != nil {
					fmt.Fprintf(out, "%v\nrepro: netherite sim --seed %d\n", r.Err, r.Seed)
				}
			})
			fmt.Fprintf(out, "sim: seeds=%d failed=%d events=%d virtual_hours=%d faults=%d\n", seeds, failed, events, int(virtual.Hours()), faults)
			if failed > 0 {
				return &quiet{exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the first seed")
	cmd.Flags().IntVar(&seeds, "seeds", 1, "how many seeds")
	cmd.Flags().BoolVar(&trace, "trace", false, "print every event")
	cmd.Flags().IntVar(&ops, "operations", 0, "operations of all clients; default: by seed")
	return cmd
}
