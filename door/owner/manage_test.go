package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestWhoCannotWriteABackupIsSaid(t *testing.T) {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS} {
		err := writtenHere("/backup/orders", &fs.PathError{Op: "mkdir", Path: "/backup", Err: cause})
		if want := fmt.Sprintf("writes /backup/orders (process ID %d, user ", os.Getpid()); !errors.Is(err, cause) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, err := range []error{nil, errors.New("something else"), fs.ErrNotExist} {
		if got := writtenHere("/backup", err); got != err {
			t.Errorf("%v has become %v", err, got)
		}
	}
}
