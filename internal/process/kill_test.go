//go:build unix

package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

var seed = flag.Uint64("seed", 0, "when to kill: repeats a run; 0 draws one")

// rounds is how often a process is killed.
const rounds = 20

// endless is more than a process can do before it is killed.
const endless = 1_000_000

// work is the child that is killed: DIR RUN.
func work(ctx context.Context, args []string) (any, error) {
	return nil, bench.Work{Dir: args[0], Run: args[1], N: endless, Hello: true}.UntilKilled(ctx, os.Stdout)
}

// audit is the child that looks after the kill: DIR RUN MOVEDBEFORE, with the
// ledger on its standard input.
func audit(ctx context.Context, args []string) (any, error) {
	movedBefore, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return nil, err
	}
	var ledger bench.Ledger
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ledger.Note(lines.Text())
	}
	return bench.Work{Dir: args[0], Run: args[1], Hello: true}.Audit(ctx, &ledger, movedBefore)
}

// TestKilledProcessLosesNothing kills a process at random moments under Bank and
// Hello5 load, 20 times on the same directory, and audits it each time against
// what the process had reported: no acknowledged start is lost, every
// orchestration ends, what had ended stays as it was, money is conserved, and the
// accounts moved exactly what the transfers say, so that no step applied twice.
func TestKilledProcessLosesNothing(t *testing.T) {
	replaycheck.Not(t) // so that what is not needed leaves the memory
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: -seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, rounds))
	dir := t.TempDir()
	var moved int64
	var acknowledged, recovered, instances int
	for round := range rounds {
		run := fmt.Sprintf("r%02d", round)
		report := killAtRandom(t, rng, dir, run)
		var ledger bench.Ledger
		for line := range bytes.Lines(report) {
			ledger.Note(string(bytes.TrimSuffix(line, []byte("\n"))))
		}
		var after bench.Aftermath
		cmd := start(t, "audit", dir, run, fmt.Sprint(moved))
		cmd.Stdin = bytes.NewReader(report)
		finish(t, cmd, &after)
		if after.Recovered != ledger.Unfinished() || after.Instances < len(ledger.Acknowledged) {
			t.Fatalf("%s: %d acknowledged, %d unfinished at the kill; %+v", run, len(ledger.Acknowledged), ledger.Unfinished(), after)
		}
		moved += after.Moved
		acknowledged, recovered, instances = acknowledged+len(ledger.Acknowledged), recovered+after.Recovered, instances+after.Instances
	}
	t.Logf("%d kills: %d starts acknowledged, %d of them unfinished at the kill, %d instances in all, %d moved",
		rounds, acknowledged, recovered, instances, moved)
	if acknowledged < 1000 || recovered < 100 {
		t.Errorf("too little was under way to prove anything")
	}
}

// killAtRandom runs the work and kills it: one time in four while it opens the
// directory or recovers, else while it works. It returns what was reported.
func killAtRandom(t *testing.T, rng *rand.Rand, dir, run string) []byte {
	t.Helper()
	early, delay := rng.IntN(4) == 0, time.Duration(rng.Int64N(int64(700*time.Millisecond)))
	cmd := start(t, "work", dir, run)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() } // if it has died by itself, Wait says so
	if early {
		defer time.AfterFunc(delay/2, kill).Stop()
	}
	var report bytes.Buffer
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if report.Len() == 0 && !early {
			defer time.AfterFunc(delay, kill).Stop()
		}
		report.Write(lines.Bytes())
		report.WriteByte('\n')
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !killed(exit) {
		t.Fatalf("%s was not killed: %v\n%s", run, err, &stderr)
	}
	return report.Bytes()
}

func killed(e *exec.ExitError) bool {
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
