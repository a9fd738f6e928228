//go:build unix

package dirlock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tryLock takes the lock of an open file, which ends when that is closed. It
// belongs to the open file, not to the process, so that a second attempt in the
// same process is refused as well. A shared lock may be taken several times.
func tryLock(f *os.File, shared bool) (held bool, err error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return false, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return true, nil
		}
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
}

// unlock gives the lock back, also if a child has the file, as it does between its
// fork and its exec: closing the file would leave it locked until then.
func unlock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
		return fmt.Errorf("unlock %s: %w", f.Name(), err)
	}
	return nil
}
