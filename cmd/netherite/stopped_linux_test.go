package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestABenchSaysThatItsProcessIsStopped(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p := startBench(t, null, "hello5", "--clients", "1", "--warmup", "1h")
	p.until(t, "warm-up")
	child := childOf(t, p.Process.Pid)
	if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.until(t, fmt.Sprintf("process ID %d, is stopped: kill -CONT %d", child, child))
	if err := p.Process.Signal(syscall.SIGTERM); err != nil { // it kills what is stopped as well
		t.Fatal(err)
	}
	if said, code := p.end(t); code != 143 {
		t.Errorf("it ends with %d: %s", code, said)
	}
}

// childOf is the only child of a process, whichever of its threads has started it.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if child, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}
