package substrate

import (
	"errors"
	"syscall"
)

// Uninterrupted makes a call of the system again as long as a signal interrupts it, as
// package os does and what calls the system past it does not. It is for calls that may
// be made twice. An interrupted sync has failed at nothing: what it waited for is still
// under way, and the next one waits for that.
func Uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
