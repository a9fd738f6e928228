package main

import (
	"fmt"
	"io"

	"github.com/netherite-go/netherite/bench"
)

func printResult(out io.Writer, r *bench.Result) {
	fmt.Fprintf(out, "%s: %d %s in %.1f s: %.0f a second (%d clients, %d partitions, release %s)\n",
		r.Workload, r.Completed, plural(r.Unit), r.Seconds, r.PerSecond, r.Clients, r.Partitions, r.Release)
	fmt.Fprintf(out, "  latency     p50 %.3f ms, p95 %.3f ms, p99 %.3f ms, max %.1f ms\n", r.P50, r.P95, r.P99, r.Max)
	fmt.Fprintf(out, "  per %-7s %.1f us CPU, %.0f log bytes, %.0f store bytes, %.0f device bytes, %.3f syncs\n",
		r.Unit, r.CPUPerOp, r.LogBytesPerOp, r.StoreBytesPerOp, r.DeviceBytesPerOp, r.SyncsPerOp)
	fmt.Fprintf(out, "  checkpoints %d complete in the window (%d of single partitions with the final ones), peak memory %d MB, recovery after SIGKILL %.0f ms\n",
		r.Checkpoints, r.PartitionCheckpoints, r.PeakRSS/1_000_000, r.RecoveryMillis)
	fmt.Fprintf(out, "  disk        fdatasync p50 %.3f ms over written blocks, longest of 1,000 %.3f ms; %.3f ms growing a file\n",
		r.FdatasyncP50, r.FdatasyncMax, r.FdatasyncAppendP50)
	fmt.Fprintf(out, "  steadiness  p99.9 of the worst second is %.1f times the p50 of the median one\n", r.WorstSecond)
	if r.OfPlainLoop > 0 {
		fmt.Fprintf(out, "  plain loop  %.1f %% of what the same processors do in one\n", r.OfPlainLoop*100)
	}
	if r.QueryMillis > 0 {
		fmt.Fprintf(out, "  query       first page by status, name and prefix among %d preloaded: %.2f ms\n", r.Preload, r.QueryMillis)
	}
	if r.EventP50 > 0 {
		fmt.Fprintf(out, "  lone event  p50 %.3f ms\n", r.EventP50)
	}
	fmt.Fprintf(out, "  failed %d, refused %d, check: %s\n", r.Failed, r.Refused, r.Check)
	if r.Counts {
		fmt.Fprintln(out, "  this row counts")
	} else {
		fmt.Fprintf(out, "  this row does not count: %s\n", r.WhyNot)
	}
}
