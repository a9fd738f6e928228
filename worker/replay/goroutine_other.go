//go:build !amd64 && !arm64

package replay

import (
	"strconv"
	"strings"
)

// goroutine returns a number that tells the calling goroutine from all others
// that live.
func goroutine() uintptr {
	n, _ := strconv.ParseUint(strings.TrimPrefix(GoroutineLabel(), "goroutine "), 10, 64)
	return uintptr(n)
}
