package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// full is a device on which no byte has room.
const full = "/dev/full"

func TestBenchThatCannotPrintFails(t *testing.T) {
	rows := filepath.Join(t.TempDir(), "rows.json")
	row := `{"workload":"hello5","unit":"orchestration","clients":1,"partitions":8,"release":"node","per_second":9,"p50_ms":10}`
	if err := os.WriteFile(rows, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"hello5", "--count", "10", "--warmup", "0s"},
		{"hello5", "--count", "10", "--warmup", "0s", "--json"},
		{"--compare", rows, rows},
		{"--compare", rows, rows, "--json"},
	} {
		out, err := os.OpenFile(full, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := startBench(t, out, args...)
		if said, code := p.end(t); code != 1 || !strings.Contains(said, "no space left on device") {
			t.Errorf("%v: exit code %d: %q", args, code, said)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
