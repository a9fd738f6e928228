//go:build unix

package netherite_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// A quota, or a limit on the size of files, can also refuse a write to a part of
// the log that was prepared for it. Then the node fails, as after any other write
// error. It is known for a full disk all the same: requests are refused by that
// name, and the node is recovered soon after there is space, however often that
// was tried in vain.
func TestUsedUpQuotaIsAFullDisk(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EDQUOT, syscall.EFBIG, syscall.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			d := newTwoDisks()
			e := openHub(t, d, func(o *netherite.Options) {
				o.Backoff = []time.Duration{0, time.Hour}
				o.FullPause(time.Millisecond)
			})
			ctx := t.Context()
			w := helloWorker()
			w.connect(t, e)
			defer w.close()
			startAndWait(t, e, "Hello5", 3, 1)
			d.log.SetFault(func(op faultfs.Op) error {
				if op.Kind == faultfs.OpWrite && strings.HasPrefix(op.Path, "/hub/log/") {
					return errno
				}
				return nil
			})
			accepted := make(chan error, 1)
			go func() { accepted <- e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c"}) }()
			for begun := time.Now(); !errors.Is(e.Health(), engine.ErrDiskFull); {
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
				}
				if time.Since(begun) > patience {
					t.Fatalf("no word of the quota: %v", e.Health())
				}
			}
			for name, f := range writers(ctx, e) {
				if err := f(); !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "/hub") {
					t.Errorf("%s: %v, want ErrDiskFull with the directory", name, err)
				}
			}
			d.log.SetFault(nil)
			if err := <-accepted; err != nil {
				t.Errorf("the request that found out: %v", err)
			}
			startAndWait(t, e, "Hello5", 3, 4)
		})
	}
}
