package chaos

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit in which the kernel tells of times, on every platform.
const clockTick = 10 * time.Millisecond

// usage is the resident memory of a process, in bytes, how many files it has open,
// sockets apart, and the time that it has computed.
func usage(pid int) (resident, files int64, cpu time.Duration) {
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		if fields := bytes.Fields(data); len(fields) > 1 {
			pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			resident = pages * int64(os.Getpagesize())
		}
	}
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		// Behind the name, which may hold anything, in parentheses.
		if fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:]); len(fields) > 12 {
			for _, f := range fields[11:13] {
				ticks, _ := strconv.ParseInt(string(f), 10, 64)
				cpu += time.Duration(ticks) * clockTick
			}
		}
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, _ := os.ReadDir(dir)
	for _, f := range open {
		// Sockets come and go with the clients' connections.
		if to, err := os.Readlink(dir + "/" + f.Name()); err == nil && !strings.HasPrefix(to, "socket:") {
			files++
		}
	}
	return resident, files, cpu
}
