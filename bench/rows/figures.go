package rows

import "github.com/netherite-go/netherite/bench"

// Figure is a number of a row of which more, or less, is better.
type Figure struct {
	Name   string // the field
	Higher bool   // is better
	Rare   bool   // only some workloads or settings have it
	Of     func(*bench.Result) float64
}

// Figures lists those that are compared, the ones that matter most first.
var Figures = []Figure{
	{Name: "per_second", Higher: true, Of: func(r *bench.Result) float64 { return r.PerSecond }},
	{Name: "p50_ms", Of: func(r *bench.Result) float64 { return r.P50 }},
	{Name: "p95_ms", Of: func(r *bench.Result) float64 { return r.P95 }},
	{Name: "p99_ms", Of: func(r *bench.Result) float64 { return r.P99 }},
	{Name: "p999_ms", Of: func(r *bench.Result) float64 { return r.P999 }},
	{Name: "max_ms", Of: func(r *bench.Result) float64 { return r.Max }},
	{Name: "worst_second_p999_over_p50", Of: func(r *bench.Result) float64 { return r.WorstSecond }},
	{Name: "cpu_us_per_op", Of: func(r *bench.Result) float64 { return r.CPUPerOp }},
	{Name: "log_bytes_per_op", Of: func(r *bench.Result) float64 { return r.LogBytesPerOp }},
	{Name: "store_bytes_per_op", Of: func(r *bench.Result) float64 { return r.StoreBytesPerOp }},
	{Name: "device_bytes_per_op", Of: func(r *bench.Result) float64 { return r.DeviceBytesPerOp }},
	{Name: "syncs_per_op", Of: func(r *bench.Result) float64 { return r.SyncsPerOp }},
	{Name: "recovery_ms", Of: func(r *bench.Result) float64 { return r.RecoveryMillis }},
	{Name: "peak_rss_bytes", Of: func(r *bench.Result) float64 { return float64(r.PeakRSS) }},
	{Name: "of_plain_loop", Higher: true, Rare: true, Of: func(r *bench.Result) float64 { return r.OfPlainLoop }},
	{Name: "query_ms", Rare: true, Of: func(r *bench.Result) float64 { return r.QueryMillis }},
	{Name: "event_p50_ms", Rare: true, Of: func(r *bench.Result) float64 { return r.EventP50 }},
	{Name: "failed", Rare: true, Of: func(r *bench.Result) float64 { return float64(r.Failed) }},
	{Name: "refused", Rare: true, Of: func(r *bench.Result) float64 { return float64(r.Refused) }},
}
