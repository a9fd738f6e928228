package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/terminal"
)

// printed writes what show has put together, in one piece.
func printed(out io.Writer, what string, show func(*bytes.Buffer)) error {
	var text bytes.Buffer
	show(&text)
	if _, err := out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("print the %s: %w", what, err)
	}
	return nil
}

func printResult(out *bytes.Buffer, r *bench.Result) {
	terminal.Printf(out, "%s: %d %s in %.1f s: %.0f a second (%s, %s, release %s)\n",
		r.Workload, r.Completed, plural(r.Unit), r.Seconds, r.PerSecond, loop(r), counted(r.Partitions, "partition"), r.Release)
	terminal.Printf(out, "  latency     p50 %.3f ms, p95 %.3f ms, p99 %.3f ms, max %.1f ms\n", r.P50, r.P95, r.P99, r.Max)
	terminal.Printf(out, "  per %-7s %s us CPU, %s log bytes, %s store bytes, %s device bytes, %s syncs\n",
		r.Unit, significant(r.CPUPerOp), significant(r.LogBytesPerOp), significant(r.StoreBytesPerOp), significant(r.DeviceBytesPerOp), significant(r.SyncsPerOp))
	terminal.Printf(out, "  checkpoints %d complete in the window (%d of single partitions with the final ones), peak memory %d MB, recovery after SIGKILL %.0f ms\n",
		r.Checkpoints, r.PartitionCheckpoints, r.PeakRSS/1_000_000, r.RecoveryMillis)
	terminal.Printf(out, "  disk        fdatasync p50 %.3f ms over written blocks, longest of 1,000 %.3f ms; %.3f ms growing a file\n",
		r.FdatasyncP50, r.FdatasyncMax, r.FdatasyncAppendP50)
	terminal.Printf(out, "  steadiness  p99.9 of the worst second is %.1f times the p50 of the median one\n", r.WorstSecond)
	if r.OfPlainLoop > 0 {
		terminal.Printf(out, "  plain loop  %.1f %% of what the same processors do in one\n", r.OfPlainLoop*100)
	}
	if r.QueryMillis > 0 {
		terminal.Printf(out, "  query       first page by status, name and prefix among %d preloaded: %.2f ms\n", r.Preload, r.QueryMillis)
	}
	if r.EventP50 > 0 {
		terminal.Printf(out, "  lone event  p50 %.3f ms\n", r.EventP50)
	}
	terminal.Printf(out, "  failed %d, refused %d%s, check: %s\n", r.Failed, r.Refused, refusal(r), r.Check)
	if r.Counts {
		terminal.Println(out, "  this row counts")
	} else {
		terminal.Printf(out, "  this row does not count: %s\n", r.WhyNot)
	}
}

// loop says what drove the run: clients have no part in an open loop.
func loop(r *bench.Result) string {
	if r.Rate > 0 {
		return strconv.FormatFloat(r.Rate, 'f', -1, 64) + " a second asked for"
	}
	return counted(r.Clients, "client")
}

// refusal is the reason of the first one.
func refusal(r *bench.Result) string {
	if r.RefusedWhy == "" {
		return ""
	}
	return " (the first: " + r.RefusedWhy + ")"
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + plural(noun)
}

// significant keeps three digits, or all before the point.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
}
