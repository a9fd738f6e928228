//go:build unix

package nospace

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestQuotasAndFileSizeLimitsAreLackOfSpace(t *testing.T) {
	for errno, want := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EFBIG: true, syscall.EIO: false, syscall.EROFS: false, nil: false,
	} {
		err := errno
		if errno != nil {
			err = fmt.Errorf("flush: %w", errors.Join(&fs.PathError{Op: "write", Path: "f", Err: errno}))
		}
		if Is(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
