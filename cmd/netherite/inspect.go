package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/internal/terminal"
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
				return noHubAt(args[0], "name the directory of a hub, or of a backup")
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
	out := cmd.OutOrStdout()
	printDamage(out, damage)
	if err != nil {
		return err
	}
	if len(damage) > 0 {
		return &quiet{exitFailed}
	}
	terminal.Printf(out, "ok: backup=%d hub=%s taken=%s files=%d bytes=%d log=%d-%d\n",
		i.Number, i.Hub, i.Taken.Format(time.RFC3339), i.Files, i.Bytes, i.LogBegin, i.LogEnd)
	return nil
}

// printVerdict prints the lines that the command's contract describes.
func printVerdict(out io.Writer, r *netherite.Report) error {
	if len(r.Damage) == 0 {
		terminal.Printf(out, "ok: records=%d checkpoints=%d\n", r.Records, r.Checkpoints)
		return nil
	}
	printDamage(out, r.Damage)
	return &quiet{exitFailed}
}

// printDamage prints a line for each thing that is wrong, and none twice.
func printDamage(out io.Writer, damage []netherite.Damage) {
	for _, d := range distinct(damage) {
		terminal.Printf(out, "damage: file=%s offset=%d kind=%s partition=%s detail=%q\n", filepath.ToSlash(d.File), d.Offset, d.Kind, affected(d), oneLine(d.Detail))
	}
}

// distinct leaves out what is there already: one thing may be come upon twice.
func distinct(damage []netherite.Damage) (list []netherite.Damage) {
	seen := map[netherite.Damage]bool{}
	for _, d := range damage {
		if !seen[d] {
			seen[d] = true
			list = append(list, d)
		}
	}
	return list
}

// oneLine is the text of an error without what it says twice, as that of the store's
// libraries does.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line != "<corruption detail carrier>" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
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
	for _, d := range distinct(r.Damage) {
		terminal.Printf(out, "damage       %s offset %d: %s: %s\n", d.File, d.Offset, d.Kind, oneLine(d.Detail))
	}
}

func printContent(out io.Writer, r *netherite.Report) {
	terminal.Printf(out, "hub          %x, %d partitions\n", r.Hub, r.Partitions)
	terminal.Printf(out, "commit log   offsets %d to %d, incarnation %d, %d segments, %d groups, %d records\n",
		r.LogBegin, r.LogEnd, r.Incarnation, r.Segments, r.Groups, r.Records)
	if !r.Closed {
		terminal.Printf(out, "             not closed: opening it replays what lies beyond the checkpoints\n")
	}
	for p, s := range r.Stamps {
		behind := "nothing to replay"
		if r.Pending == nil {
			behind = "what is to be replayed cannot be read"
		} else if n := r.Pending[p]; n > 0 {
			behind = fmt.Sprintf("%d records to replay", n)
		}
		terminal.Printf(out, "partition %-3d checkpoint at %d (epoch %d, record %d); %s\n", p, s.Offset, s.Epoch, s.Record, behind)
	}
}
