package chaos

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// usage is the resident memory of a process, in bytes, and how many files it has
// open.
func usage(pid int) (resident, files int64) {
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		if fields := bytes.Fields(data); len(fields) > 1 {
			pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			resident = pages * int64(os.Getpagesize())
		}
	}
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return resident, int64(len(open))
}
