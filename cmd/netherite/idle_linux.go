package main

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseStartup gives back the memory that only the start has needed, which is
// most of what an idle server would have otherwise: garbage, and those pages of
// the program itself that were read once. What is needed of them again is still in
// the page cache.
func releaseStartup() {
	debug.FreeOSMemory()
	self, err := filepath.EvalSymlinks("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range readMappings(bufio.NewScanner(f)) {
		if m.path == self && m.clean && (m.mode == "r-xp" || m.mode == "r--p") {
			// MADV_DONTNEED drops what was changed; only what is clean gets here.
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, unix.MADV_DONTNEED)
		}
	}
}

// mapping is a part of the address space.
type mapping struct {
	begin, end uintptr
	mode, path string
	clean      bool // all of it is as it is in the file
}

// readMappings reads smaps(5).
func readMappings(lines *bufio.Scanner) (list []mapping) {
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) < 2:
		case !strings.HasSuffix(words[0], ":"):
			m := mapping{mode: words[1]}
			if len(words) > 5 {
				m.path = words[5]
			}
			from, to, _ := strings.Cut(words[0], "-")
			begin, _ := strconv.ParseUint(from, 16, 64)
			end, _ := strconv.ParseUint(to, 16, 64)
			m.begin, m.end = uintptr(begin), uintptr(end)
			list = append(list, m)
		case len(list) == 0:
		case words[0] == "Anonymous:": // pages that are no longer the file's
			list[len(list)-1].clean = words[1] == "0"
		}
	}
	return list
}
