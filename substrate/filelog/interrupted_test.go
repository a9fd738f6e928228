package filelog_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// A signal may interrupt a sync, on file systems that take long for one. That is no
// failure: the log syncs again, as what package os syncs is.
func TestInterruptedSyncIsMadeAgain(t *testing.T) {
	fs := faultfs.New()
	var syncs, interrupted atomic.Int64
	fs.SetFault(func(op faultfs.Op) error {
		// What has its name is synced past package os.
		if op.Kind != faultfs.OpSync || !strings.HasSuffix(op.Path, ".log") || syncs.Add(1)%2 == 0 {
			return nil
		}
		interrupted.Add(1)
		return syscall.EINTR
	})
	l, err := filelog.Open(small(fs, dir))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		mustWrite(t, l, true, "x")
	}
	crashed := fs.CrashClone(faultfs.Crash{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if interrupted.Load() < 5 {
		t.Errorf("%d syncs were interrupted", interrupted.Load())
	}
	l, err = filelog.Open(small(crashed, dir))
	if err != nil {
		t.Fatal(err)
	}
	if l.End() != 5 {
		t.Errorf("after a crash the log ends at %d", l.End())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
