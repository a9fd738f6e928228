package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/spf13/cobra"
)

func newInspect() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "inspect DIR",
		Short: "Show what a data directory holds, or verify all of it, changing nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if netherite.IsBackup(args[0]) {
				return inspectBackup(cmd, args[0])
			}
			report, err := netherite.Inspect(args[0])
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("no task hub in %q: %w", args[0], err)
			}
			if err != nil {
				return err
			}
			if !verify {
				printReport(cmd.OutOrStdout(), report)
				return nil
			}
			return printVerdict(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "report damage, a line each, and exit with 1 if there is any")
	return cmd
}

// inspectBackup reads a whole backup, verify or not: its description is short.
func inspectBackup(cmd *cobra.Command, dir string) error {
	i, damage, err := netherite.InspectBackup(cmd.Context(), dir)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if len(damage) > 0 {
		printDamage(out, damage)
		return &quiet{exitFailed}
	}
	fmt.Fprintf(out, "ok: backup=%d hub=%s taken=%s files=%d bytes=%d log=%d-%d\n",
		i.Number, i.Hub, i.Taken.Format(time.RFC3339), i.Files, i.Bytes, i.LogBegin, i.LogEnd)
	return nil
}

// printVerdict prints the lines that the command's contract describes.
func printVerdict(out io.Writer, r *netherite.Report) error {
	if len(r.Damage) == 0 {
		fmt.Fprintf(out, "ok: records=%d checkpoints=%d\n", r.Records, r.Checkpoints)
		return nil
	}
	printDamage(out, r.Damage)
	return &quiet{exitFailed}
}

func printDamage(out io.Writer, damage []netherite.Damage) {
	for _, d := range damage {
		fmt.Fprintf(out, "damage: file=%s offset=%d kind=%s partition=%s\n", filepath.ToSlash(d.File), d.Offset, d.Kind, affected(d))
	}
}

// affected names the partition that a damage is in, "-" for all.
func affected(d netherite.Damage) string {
	if d.Partition < 0 {
		return "-"
	}
	return fmt.Sprint(d.Partition)
}

func printReport(out io.Writer, r *netherite.Report) {
	if r.Partitions > 0 { // else the hub file says nothing
		printContent(out, r)
	}
	for _, d := range r.Damage {
		fmt.Fprintf(out, "damage       %s offset %d: %s: %s\n", d.File, d.Offset, d.Kind, d.Detail)
	}
}

func printContent(out io.Writer, r *netherite.Report) {
	fmt.Fprintf(out, "hub          %x, %d partitions\n", r.Hub, r.Partitions)
	fmt.Fprintf(out, "commit log   offsets %d to %d, incarnation %d, %d segments, %d groups, %d records\n",
		r.LogBegin, r.LogEnd, r.Incarnation, r.Segments, r.Groups, r.Records)
	if !r.Closed {
		fmt.Fprintf(out, "             not closed: opening it replays what lies beyond the checkpoints\n")
	}
	for p, s := range r.Stamps {
		behind := "nothing to replay"
		if r.Pending == nil {
			behind = "what is to be replayed cannot be read"
		} else if n := r.Pending[p]; n > 0 {
			behind = fmt.Sprintf("%d records to replay", n)
		}
		fmt.Fprintf(out, "partition %-3d checkpoint at %d (epoch %d, record %d); %s\n", p, s.Offset, s.Epoch, s.Record, behind)
	}
}
