package main

import (
	"bytes"
	"fmt"
	"os"
)

// isStopped reports whether a process is stopped, as SIGSTOP or Ctrl-Z makes it.
func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")) // the name before it may have anything in it
	return ok && len(state) > 0 && state[0] == 'T'
}
