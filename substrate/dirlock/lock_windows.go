//go:build windows

package dirlock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock of an open file, which ends when that is closed. A
// shared lock may be taken several times.
func tryLock(f *os.File, shared bool) (held bool, err error) {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, new(windows.Overlapped))
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return true, nil
	}
	return false, fmt.Errorf("lock %s: %w", f.Name(), err)
}

// unlock is for systems on which children have the files of their parent: here the
// lock goes with the handle.
func unlock(*os.File) error { return nil }
