package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/internal/shellword"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/spf13/cobra"
)

func newRepair() *cobra.Command {
	var o netherite.RepairOptions
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "Make a damaged hub open again, from all of it that is whole",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if there, err := netherite.Exists(args[0]); err != nil {
				return err
			} else if !there {
				return noHubAt(args[0], "name the directory of the hub that is damaged")
			}
			if err := notOthers(cmd.Context(), args[0]); err != nil {
				return err
			}
			r, err := netherite.Repair(cmd.Context(), args[0], o)
			if r != nil {
				printRepair(cmd.OutOrStdout(), r)
			}
			if err != nil {
				if errors.Is(err, netherite.ErrLoses) {
					err = fmt.Errorf("%w: netherite repair --drop %s", err, shellword.Quote(args[0]))
				}
				return err
			}
			switch out := cmd.OutOrStdout(); {
			case r.Done:
				terminal.Printf(out, "repaired: quarantine=%s log=%d\n", r.Quarantine, r.Base)
			case r.Interrupted:
				terminal.Println(out, "dry run: the repair above was interrupted when all was built; it would go on and lose nothing more")
			case len(r.Damage) == 0:
				terminal.Println(out, "ok: nothing to repair")
			case r.Loses():
				terminal.Println(out, "dry run: it would need --drop")
				return &quiet{exitFailed}
			default:
				terminal.Println(out, "dry run: it would lose nothing")
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
		terminal.Printf(out, "rebuilt: partition=%d from the log, as far as it reaches\n", p)
	}
	for _, l := range r.Rows {
		if l.Unlisted {
			terminal.Printf(out, "unlisted: file=%s reason=%q\n", l.File, l.Detail)
			continue
		}
		terminal.Printf(out, "rows: file=%s from=%s to=%s entries=%d reason=%q\n", l.File, l.Low, l.High, l.Entries, l.Detail)
	}
	for _, s := range r.Sifted {
		printSifted(out, s)
	}
	if r.EndLost {
		terminal.Printf(out, "end: lost after=%d, nothing tells how far the log went: whatever was recorded later, if anything, is gone\n", r.Base)
	}
	if r.Outdated {
		terminal.Println(out, "store: outdated, it is an older copy: to put the right one back, in the place of a repair, loses nothing")
	}
	for _, l := range r.Losses {
		terminal.Printf(out, "lost: partition=%d certain=%t after=%d/%d log=%d dropped=%d instances=%q reason=%q\n",
			l.Partition, l.Certain, l.After.Epoch, l.After.Number, l.From, l.Dropped, strings.Join(l.Instances, ","), l.Reason)
	}
	for _, m := range r.Mends {
		terminal.Printf(out, "messages: from=%d to=%d first=%d last=%d %s\n", m.From, m.To, m.First, m.Last, m.Kind)
	}
}

// printSifted says what became of a partition of whose rows some were lost.
func printSifted(out io.Writer, s netherite.SiftedPartition) {
	terminal.Printf(out, "salvaged: partition=%d not_whole=%d counters=%s clients=%s unnamed=%t\n",
		s.Partition, len(s.Instances), state(s.Singletons, "lost"), state(s.Clients || s.Requests > 0, "some-lost"), s.Unnamed)
	for _, i := range s.Instances {
		terminal.Printf(out, "instance: partition=%d ordinal=%d id=%q %s reason=%q\n", s.Partition, i.Ord, i.ID, outcome(i.Kept), i.Reason)
	}
}

func state(lost bool, how string) string {
	if lost {
		return how
	}
	return "whole"
}

func outcome(kept bool) string {
	if kept {
		return "quarantined"
	}
	return "lost"
}
