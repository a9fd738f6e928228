package bench

import (
	"fmt"
	"strings"
)

// Result is what one run measured. Its JSON form is part of the command's
// contract (docs/cli.md): fields are only ever added.
type Result struct {
	Workload         string  `json:"workload"`
	Unit             string  `json:"unit"`
	Clients          int     `json:"clients"`
	Partitions       int     `json:"partitions"`
	Release          string  `json:"release"`
	Completed        int64   `json:"completed"` // units
	Failed           int64   `json:"failed"`
	Refused          int64   `json:"refused"`
	Seconds          float64 `json:"seconds"`
	PerSecond        float64 `json:"per_second"` // units
	P50              float64 `json:"p50_ms"`     // per client call: start and wait
	P95              float64 `json:"p95_ms"`
	P99              float64 `json:"p99_ms"`
	Max              float64 `json:"max_ms"`
	CPUPerOp         float64 `json:"cpu_us_per_op"`
	LogBytesPerOp    float64 `json:"log_bytes_per_op"`
	StoreBytesPerOp  float64 `json:"store_bytes_per_op"`
	DeviceBytesPerOp float64 `json:"device_bytes_per_op"`
	Syncs            int64   `json:"syncs"`
	SyncsPerOp       float64 `json:"syncs_per_op"`
	// Checkpoints counts those that completed within the window, without the
	// final one: each holds all that every partition had when the one before did.
	Checkpoints        int64   `json:"checkpoints"`
	RecoveryMillis     float64 `json:"recovery_ms"`
	PeakRSS            int64   `json:"peak_rss_bytes"`
	FdatasyncP50       float64 `json:"fdatasync_p50_ms"`
	FdatasyncAppendP50 float64 `json:"fdatasync_append_p50_ms"`
	Version            string  `json:"version"`
	// FdatasyncMax is the longest of the probe's writes over written blocks.
	FdatasyncMax float64 `json:"fdatasync_max_ms"`
	// Check is "ok", or what the workload's own check found wrong.
	Check string `json:"check"`
	// Calls counts client calls: the operations behind the percentiles.
	Calls int64 `json:"calls"`
	// Sample is an instance to ask for after a restart; "" if the workload starts none.
	Sample string `json:"sample"`
	// PartitionCheckpoints counts those of single partitions, the final ones
	// included: what the CPU and the bytes of the figures have paid for.
	PartitionCheckpoints int64 `json:"partition_checkpoints"`
	// Counts says whether the row may be quoted: the run passed, its window has
	// paid for keeping the store up to date, and its memory is bounded.
	Counts bool `json:"counts"`
	// WhyNot says what keeps the row from counting; "" if it counts.
	WhyNot string `json:"why_not"`

	// The rest of the configuration: 0 if not given.
	Rate    float64 `json:"rate"`
	Count   int     `json:"count"`
	Preload int     `json:"preload"`
	Memory  int     `json:"memory_mib"` // the hub's limit
	// WarmupSeconds is the time before the window, Profile what was recorded of it.
	WarmupSeconds float64 `json:"warmup_seconds"`
	Profile       string  `json:"profile"`
	// RefusedWhy is the reason of the first refusal; "" if there was none.
	RefusedWhy string `json:"refused_why"`
	// Where and when the run was made.
	Began       string `json:"began"`       // the window, RFC 3339
	Platform    string `json:"platform"`    // linux/amd64
	CPU         string `json:"cpu"`         // model; "" if not known
	CPUs        int    `json:"cpus"`        // that the program may use
	Go          string `json:"go"`          // version
	Environment string `json:"environment"` // GOGC=400 and the like, if set

	P999 float64 `json:"p999_ms"`
	// Percentiles is the distribution of latencies, ascending.
	Percentiles []Quantile `json:"percentiles"`
	// Series has a point for each second of the window.
	Series []Point `json:"series"`
	// WorstSecond is the p99.9 of the worst second over the p50 of the median
	// second: how steady the run was.
	WorstSecond float64 `json:"worst_second_p999_over_p50"`

	// With --remote only: a server, its worker and the clients are processes of
	// their own. CPUPerOp is that of all, PeakRSS the server's.
	Remote         bool    `json:"remote"`
	ServerCPUPerOp float64 `json:"server_cpu_us_per_op"`
	WorkerCPUPerOp float64 `json:"worker_cpu_us_per_op"`
	ReadyMillis    float64 `json:"ready_ms"`       // from the server's start until it could be used
	IdleRSS        int64   `json:"idle_rss_bytes"` // of the server then

	// What only some workloads and settings measure; 0 otherwise.

	// OfPlainLoop is the throughput of CollisionSearch over that of its plain
	// loop on all processors, measured just before and just after.
	OfPlainLoop float64 `json:"of_plain_loop"`
	// QueryMillis is the median time of the first page of a query by status,
	// name and prefix, among the preloaded instances.
	QueryMillis float64 `json:"query_ms"`
	// EventP50 is the median time from a lone event to a random one of the
	// waiting orchestrations until that has ended.
	EventP50 float64 `json:"event_p50_ms"`
}

// What a row needs to count.
const (
	neededCheckpoints = 2
	allowedRSS        = 512_000_000 // bytes
	refusedOf         = 1_000       // calls, of which one may be refused: 0.1 %
)

// judge decides whether the row counts.
func (r *Result) judge() {
	var why []string
	if r.Failed > 0 {
		why = append(why, fmt.Sprintf("%d operations failed", r.Failed))
	}
	if r.Check != "ok" {
		why = append(why, "the workload's check did not hold")
	}
	if r.Refused*refusedOf > r.Calls {
		why = append(why, fmt.Sprintf("%d refusals beside %d calls that completed: at most 0.1 %% are allowed, fewer --clients or more --memory have fewer", r.Refused, r.Calls))
	}
	if r.Checkpoints < neededCheckpoints {
		why = append(why, fmt.Sprintf("the window holds %d of %d checkpoints, %s", r.Checkpoints, neededCheckpoints, r.longer()))
	}
	if r.PeakRSS > allowedRSS {
		why = append(why, fmt.Sprintf("peak memory is %d MB, at most %d are allowed", r.PeakRSS/1_000_000, allowedRSS/1_000_000))
	}
	r.WhyNot, r.Counts = strings.Join(why, "; "), len(why) == 0
}

// OK reports whether the run counts as passed.
func (r *Result) OK() bool { return r.Failed == 0 && r.Check == "ok" }
