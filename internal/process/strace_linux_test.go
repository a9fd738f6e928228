package process

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/bench"
)

// syncCall matches the end of a sync of a file: "fdatasync(7<hub/log/1.log>) = 0",
// also where strace shows it in two parts.
var syncCall = regexp.MustCompile(`f(?:data)?sync\(\d+<([^>]*)>`)

// TestEveryAcknowledgementWaitsForTheDisk counts, from outside, how often a
// process that makes one orchestration after the other makes its commit log
// durable: at least once for each.
func TestEveryAcknowledgementWaitsForTheDisk(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v: this test watches system calls; install strace, for example with: apt-get install strace", err)
	}
	_, command := programs(t)
	dir, trace := filepath.Join(t.TempDir(), "hub"), filepath.Join(t.TempDir(), "trace")
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-e", "trace=fdatasync,fsync", "-e", "signal=none", "-o", trace, "--",
		command, "bench", "hello5", "--clients", "1", "--count", "200", "--warmup", "0s", "--json", "--dir", dir)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var r bench.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	syncs := 0
	for _, m := range syncCall.FindAllStringSubmatch(string(data), -1) {
		if strings.HasPrefix(m[1], filepath.Join(dir, "log")+"/") {
			syncs++
		}
	}
	t.Logf("%d syncs of the log seen, %d reported, for %d orchestrations", syncs, r.Syncs, r.Calls)
	if r.Calls != 200 || int64(syncs) < r.Calls || int64(syncs) < r.Syncs || r.SyncsPerOp < 1 {
		t.Errorf("%d syncs seen, %d reported: want at least one for each of %d orchestrations", syncs, r.Syncs, r.Calls)
	}
}
