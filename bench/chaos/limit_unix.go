//go:build unix

package chaos

import (
	"fmt"
	"os/signal"
	"syscall"
)

// keepFileLimitQuiet makes a write beyond the limit of a file's size an error. By
// itself the system sends a signal for it that ends the process.
func keepFileLimitQuiet() { signal.Ignore(syscall.SIGXFSZ) }

// limitFiles lets no file grow beyond n bytes; below zero it takes that back.
func limitFiles(n int64) error {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
		return fmt.Errorf("read the limit: %w", err)
	}
	r.Cur = r.Max
	if n >= 0 {
		r.Cur = uint64(n)
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r)
}
