//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite"
)

// benchProcess is a bench in a process of its own, with a folder for temporary
// files of its own.
type benchProcess struct {
	*exec.Cmd
	temp   string
	stderr *bufio.Reader // ends when nobody of it runs any more
}

func startBench(t *testing.T, stdout *os.File, args ...string) *benchProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("", "b") // short, so that a socket's path fits
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	p := &benchProcess{exec.Command(self, append([]string{"bench"}, args...)...), temp, bufio.NewReader(r)}
	p.Env = append(os.Environ(), "TMPDIR="+p.temp)
	p.Stdout, p.Stderr = stdout, w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); r.Close() })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// until reads what it says up to a line with a text.
func (p *benchProcess) until(t *testing.T, text string) {
	t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			t.Fatalf("it never said %q: %v", text, err)
		}
	}
}

// end returns what else it said until it and its children had ended, and its
// exit code.
func (p *benchProcess) end(t *testing.T) (said string, code int) {
	t.Helper()
	rest, err := io.ReadAll(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // the state says it
	return string(rest), p.ProcessState.ExitCode()
}

func (p *benchProcess) left(t *testing.T) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(p.temp)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestBenchBrokenOffBySignalsSaysSoAndLeavesNothing(t *testing.T) {
	for signal, want := range map[syscall.Signal]struct {
		code int
		said string
	}{
		syscall.SIGINT:  {130, "netherite: interrupted\n"},
		syscall.SIGTERM: {143, "netherite: interrupted: terminated\n"},
		syscall.SIGHUP:  {129, "netherite: interrupted: hangup\n"},
	} {
		p := startBench(t, nil, "hello5", "--warmup", "0s", "--duration", "1h")
		p.until(t, "hello5: window, 1h0m0s")
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if said, code := p.end(t); code != want.code || said != want.said {
			t.Errorf("%v: exit code %d, want %d: %q, want %q", signal, code, want.code, said, want.said)
		}
		if left := p.left(t); len(left) > 0 {
			t.Errorf("%v: it left %v", signal, left)
		}
	}
}

func TestBenchBrokenOffSaysWhatItLeavesInADirectoryAndInAReport(t *testing.T) {
	place := t.TempDir()
	dir, page := filepath.Join(place, "hub"), filepath.Join(place, "page.html")
	p := startBench(t, nil, "hello5", "--clients", "1,2", "--warmup", "0s", "--duration", "500ms", "--dir", dir, "--report", page)
	p.until(t, "run 2 of 2")
	p.until(t, "hello5: window")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said, code := p.end(t)
	for _, want := range []string{"1 of 2 runs", "interrupted; the hub in " + filepath.Join(dir, "run-2") + " was not closed"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in %q", want, said)
		}
	}
	if data, err := os.ReadFile(page); code != 130 || err != nil || !strings.Contains(string(data), "broken off: 1 of 2 runs") {
		t.Errorf("exit code %d, %v: the page does not say that it is of a part", code, err)
	}
	hub, err := netherite.Open(filepath.Join(dir, "run-2"), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMeasuredProcessEndsWithItsParent(t *testing.T) {
	p := startBench(t, nil, "hello5", "--warmup", "0s", "--duration", "1h")
	p.until(t, "hello5: window")
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.end(t) // hangs while the measured process runs
}

func TestClosedOutputEndsABenchThatLeavesNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	p := startBench(t, w, "hello5", "--clients", "1,2", "--warmup", "0s", "--count", "10", "--json")
	w.Close()
	if said, code := p.end(t); code != 1 || !strings.Contains(said, "print the result") || strings.Contains(said, "run 2 of 2") {
		t.Errorf("exit code %d: %q", code, said)
	}
	if left := p.left(t); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
