package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/bench"
)

func TestRemoteBenchMeasuresAServerItsWorkerAndClients(t *testing.T) {
	for workload, each := range map[string]int64{"hello5": 1, "fanout": 1000} {
		t.Run(workload, func(t *testing.T) {
			const count = 8
			dir := filepath.Join(t.TempDir(), "data")
			code, stdout, stderr := command(t.Context(), "bench", workload, "--remote", "--clients", "4", "--count", fmt.Sprint(count), "--warmup", "0s", "--dir", dir, "--json")
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			var r bench.Result
			if err := json.Unmarshal(stdout, &r); err != nil {
				t.Fatal(err)
			}
			if !r.Remote || r.Completed != count*each || r.Failed != 0 || r.Check != "ok" || r.Syncs == 0 || r.RecoveryMillis <= 0 || r.Sample == "" {
				t.Errorf("%+v", r)
			}
			if r.ServerCPUPerOp <= 0 || r.WorkerCPUPerOp <= 0 || r.CPUPerOp <= r.ServerCPUPerOp+r.WorkerCPUPerOp || r.ReadyMillis <= 0 || r.IdleRSS <= 0 {
				t.Errorf("figures of the processes: %+v", r)
			}
			if _, err := os.Stat(filepath.Join(dir, remoteHome)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFlagsThatMeanNothingThroughAServerAreRefused(t *testing.T) {
	for _, args := range [][]string{{"--release", "partition"}, {"--reuse", "--dir", "x"}} {
		code, _, stderr := command(t.Context(), append([]string{"bench", "hello5", "--remote"}, args...)...)
		if code != exitUsage || !strings.Contains(string(stderr), "with --remote") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}
