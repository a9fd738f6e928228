package filelog_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// A log whose first Open failed at any operation keeps what is synced to it later.
func TestLogIsDurableAfterAFailedFirstOpen(t *testing.T) {
	errFault := errors.New("fault")
	for n := 0; ; n++ {
		fs, left, failed := faultfs.New(), n, false
		fs.SetFault(func(faultfs.Op) error {
			if left--; left == -1 {
				failed = true
				return errFault
			}
			return nil
		})
		o := filelog.Options{FS: fs, Dir: "/data/hub/log", Inline: true}
		if l, err := filelog.Open(o); err == nil {
			_ = l.Close() // may meet the fault
		}
		fs.SetFault(nil)
		l, err := filelog.Open(o)
		if err != nil {
			t.Fatalf("fault after %d operations: open again: %v", n, err)
		}
		if err := errors.Join(l.Write([]byte("group")), l.Sync()); err != nil {
			t.Fatal(err)
		}
		end := l.End()
		o.FS = fs.CrashClone(faultfs.Crash{})
		if l, err = filelog.Open(o); err != nil {
			t.Fatalf("fault after %d operations: open after the crash: %v", n, err)
		}
		if l.End() != end {
			t.Errorf("fault after %d operations: the log ends at %d after the crash, want %d", n, l.End(), end)
		}
		if !failed {
			return
		}
	}
}
