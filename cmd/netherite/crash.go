package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/netherite-go/netherite/bench"
)

func crashWork(dir string, transfers int) bench.Work {
	return bench.Work{Dir: dir, Run: "crash", N: transfers}
}

// crash kills a process in the middle of its transfers, recovers, and returns
// the line that says what was found.
func (p demoPlan) crash(ctx context.Context, dir string, stderr io.Writer) (string, error) {
	const failed = "crash: failed"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed, fmt.Errorf("make the data directory: %w", err)
	}
	ledger, err := p.killInTheMiddle(ctx, dir, stderr)
	if err != nil {
		return failed, err
	}
	if n := ledger.Unfinished(); n < p.unfinished {
		return failed, fmt.Errorf("only %d acknowledged transfers were unfinished at the kill, expected %d", n, p.unfinished)
	}
	after, err := crashWork(dir, p.transfers).Audit(ctx, ledger, 0)
	verdict := "ok"
	if err != nil {
		verdict = "failed"
	}
	return fmt.Sprintf("crash: acknowledged=%d finished=%d unfinished=%d recovered=%d total=%d %s",
		len(ledger.Acknowledged), len(ledger.Finished), ledger.Unfinished(), after.Recovered, after.Total, verdict), err
}

// killInTheMiddle runs the transfers in a process of its own, kills it with
// SIGKILL, and returns what it had reported.
func (p demoPlan) killInTheMiddle(ctx context.Context, dir string, stderr io.Writer) (*bench.Ledger, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "demo", "--crash-child", dir, fmt.Sprint("--crash-transfers=", p.transfers))
	child.Stderr = stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the process to kill: %w", err)
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the process to kill: %w", err)
	}
	ledger, killed := &bench.Ledger{}, false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		ledger.Note(lines.Text())
		if !killed && len(ledger.Finished) >= p.finished {
			killed = true
			_ = child.Process.Kill() // it may have ended just now
		}
	}
	waitErr := child.Wait()
	if !killed {
		return nil, fmt.Errorf("the process ended before it could be killed, after %d transfers: %w", len(ledger.Finished), waitErr)
	}
	return ledger, nil
}
