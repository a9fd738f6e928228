//go:build amd64 || arm64

package replay

// goroutine returns a number that tells the calling goroutine from all others
// that live: the address of the runtime's descriptor. Durable calls check it to
// refuse foreign goroutines, on a path that has no room for parsing a stack dump.
func goroutine() uintptr
