//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
)

func TestAHubWhoseProcessIsStoppedDoesNotAnswer(t *testing.T) {
	noContexts(t)
	dir := t.TempDir()
	o, err := startOther(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.end(true) })
	if err := o.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := commandLine(t, "instance", "list", "--dir", dir); code != exitNotServed || !strings.Contains(errs, "with process ID") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if _, errs, code := commandLine(t, "instance", "list", "--dir", dir, "--timeout", "100ms"); code != exitTimedOut || !strings.Contains(errs, "timed out after 100ms") {
		t.Errorf("in less time than it is given to answer: exit code %d, %s", code, errs)
	}
	if err := o.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := commandLine(t, "instance", "list", "--dir", dir); code != exitDone {
		t.Errorf("once it goes on: exit code %d, %s", code, errs)
	}
}
