package netherite_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// TestIdleHubsLeaveTheirFilesAlone counts every operation on files, of which an
// idle hub makes none: a server may have many that are seldom used.
func TestIdleHubsLeaveTheirFilesAlone(t *testing.T) {
	const hubs = 20
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		var last atomic.Pointer[string]
		counted := errorfs.InjectorFunc(func(op errorfs.Op) error {
			count.Add(1)
			what := fmt.Sprintf("%v of %s", op.Kind, op.Path)
			last.Store(&what)
			return nil
		})
		for i := range hubs {
			h, err := netherite.Open(fmt.Sprintf("/hub%d", i), netherite.Files(errorfs.Wrap(vfs.NewMem(), counted)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := h.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
			for n := range 5 { // some that wait, and one that has ended
				if _, err := h.Engine().Start(t.Context(), engine.StartRequest{Instance: fmt.Sprint(n), Name: "Nobody"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.Engine().Terminate(t.Context(), engine.TerminateRequest{Instance: "0"}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Hour) // checkpoints follow, and looks at what has ended
		before := count.Load()
		if before == 0 {
			t.Fatal("nothing is counted")
		}
		<-time.After(24 * time.Hour)
		if n := count.Load() - before; n != 0 {
			t.Errorf("%d idle hubs have made %d operations on files in a day, the last one %s", hubs, n, *last.Load())
		}
	})
}
