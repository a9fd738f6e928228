package nospace

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/windows"
)

// Is reports whether an error is for lack of space.
func Is(err error) bool {
	return vfs.IsNoSpaceError(err) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
