package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	format "github.com/jedib0t/go-pretty/v6/text"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/spf13/cobra"
)

// readRows reads a file; one that holds something else is a mistake in the
// command line.
func readRows(name string) ([]rows.Row, error) {
	list, err := rows.Read(name)
	if errors.Is(err, rows.ErrNoRows) {
		err = usageError{err}
	}
	return list, err
}

// runCompare compares two files.
func (f *benchFlags) runCompare(cmd *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usagef("--compare takes two files that netherite bench --json printed, A.json B.json, not %d", len(args))
	}
	a, err := readRows(args[0])
	if err != nil {
		return err
	}
	b, err := readRows(args[1])
	if err != nil {
		return err
	}
	c := rows.Compare(a, b)
	if len(c.Pairs) == 0 {
		return usagef("there is nothing to compare: %s has %s, %s has %s; rows of the same workload are compared",
			args[0], workloadsOf(a), args[1], workloadsOf(b))
	}
	if f.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(c); err != nil {
			return fmt.Errorf("print the comparison: %w", err)
		}
		return nil
	}
	return printed(cmd.OutOrStdout(), "comparison", func(b *bytes.Buffer) { printComparison(b, c) })
}

func printComparison(out *bytes.Buffer, c rows.Comparison) {
	single := false
	for _, p := range c.Pairs {
		terminal.Printf(out, "%s\n", p.Settings)
		terminal.Printf(out, "A: version %s, %s. B: version %s, %s.\n", p.VersionA, runs(p.RowsA), p.VersionB, runs(p.RowsB))
		single = single || p.RowsA == 1 || p.RowsB == 1
		w := newTable(out, "figure", "A", "B", "change", "is better", "so B is")
		w.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: format.AlignRight}, {Number: 3, Align: format.AlignRight}, {Number: 4, Align: format.AlignRight}})
		w.Style().Format.Header = format.FormatDefault
		for _, f := range p.Figures {
			percent := "-"
			if f.Percent != nil {
				percent = fmt.Sprintf("%+.1f %%", *f.Percent)
			}
			w.row(f.Figure, figure(f.A), figure(f.B), percent, f.Better, string(f.Verdict))
		}
		w.Render()
		for _, w := range p.Warnings {
			terminal.Printf(out, "warning: %s\n", w)
		}
		terminal.Println(out)
	}
	for _, s := range c.OnlyA {
		terminal.Printf(out, "only in A: %s\n", s)
	}
	for _, s := range c.OnlyB {
		terminal.Printf(out, "only in B: %s\n", s)
	}
	if single {
		terminal.Println(out, "A single run says nothing about noise: of one run each, changes are unclear. Make several of each: netherite bench ... --json >> A.json")
	}
}

// workloadsOf lists them, each once.
func workloadsOf(list []rows.Row) string {
	var names []string
	for i := range list {
		if !slices.Contains(names, list[i].Workload) {
			names = append(names, list[i].Workload)
		}
	}
	return strings.Join(names, ", ")
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("median of %d runs", n)
}

// figure keeps what can be told apart: four digits, or all before the point.
func figure(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
