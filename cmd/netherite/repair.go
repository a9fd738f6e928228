package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite"
	"github.com/spf13/cobra"
)

func newRepair() *cobra.Command {
	var o netherite.RepairOptions
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "Make a damaged hub open again, from all of it that is whole",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := netherite.Repair(cmd.Context(), args[0], o)
			if r != nil {
				printRepair(cmd.OutOrStdout(), r)
			}
			if err != nil {
				if errors.Is(err, netherite.ErrLoses) {
					err = fmt.Errorf("%w (--drop)", err)
				}
				return err
			}
			switch out := cmd.OutOrStdout(); {
			case r.Done:
				fmt.Fprintf(out, "repaired: quarantine=%s log=%d\n", r.Quarantine, r.Base)
			case len(r.Damage) == 0:
				fmt.Fprintln(out, "ok: nothing to repair")
			case len(r.Losses) > 0:
				fmt.Fprintln(out, "dry run: it would need --drop")
				return &quiet{exitFailed}
			default:
				fmt.Fprintln(out, "dry run: it would lose nothing")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Drop, "drop", false, "drop acknowledged records that cannot be read or applied")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what it would do, and change nothing")
	return cmd
}

// printRepair prints a line for each thing that was found and done.
func printRepair(out io.Writer, r *netherite.RepairReport) {
	printDamage(out, r.Damage)
	for _, p := range r.Emptied {
		fmt.Fprintf(out, "rebuilt: partition=%d from the log, as far as it reaches\n", p)
	}
	for _, l := range r.Losses {
		fmt.Fprintf(out, "lost: partition=%d certain=%t after=%d/%d log=%d dropped=%d instances=%q reason=%q\n",
			l.Partition, l.Certain, l.After.Epoch, l.After.Number, l.From, l.Dropped, strings.Join(l.Instances, ","), l.Reason)
	}
	for _, m := range r.Mends {
		fmt.Fprintf(out, "messages: from=%d to=%d first=%d last=%d %s\n", m.From, m.To, m.First, m.Last, m.Kind)
	}
}
