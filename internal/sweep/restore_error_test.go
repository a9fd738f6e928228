package sweep_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// TestErrorInARestoreLeavesNothingOrSaysSo fails operations of restores, each once: that
// is told unless all is well, nothing is left open, and there is what a crash may leave.
func TestErrorInARestoreLeavesNothingOrSaysSo(t *testing.T) {
	fs, want := backedUp(t)
	s := newRestoring(t, whole(fs), want)
	share := 0.25
	if os.Getenv(sweepVariable) != "" {
		share = 1
	}
	for n := 1; ; n++ {
		disk, o, rng := whole(fs), outage{n: n}, rand.New(rand.NewPCG(number(t, seedVariable), uint64(n)))
		if rng.Float64() >= share {
			continue
		}
		disk.SetFault(o.fault)
		_, err := netherite.RestoreFiles(t.Context(), disk, copied, dir)
		disk.SetFault(nil)
		if o.op.Kind == "" {
			break // it had fewer
		}
		if err = s.afterAnError(disk, rng, err); err != nil {
			t.Fatalf("operation %d, %s of %s, failed: %v", n, o.op.Kind, o.op.Path, err)
		}
	}
	t.Logf("left %v", s.left)
	if s.left[empty] < 20 {
		t.Error("that is too little")
	}
}

// afterAnError looks at what a restore leaves that ended with an error, now and after a
// crash.
func (s *restoring) afterAnError(fs *faultfs.FS, rng *rand.Rand, told error) error {
	if told != nil && !errors.Is(told, errInjected) {
		return fmt.Errorf("the error does not say what failed: %w", told)
	}
	is, err := s.state(fs, rng)
	s.left[is]++
	if told == nil && is != done {
		return fmt.Errorf("nobody was told, and there is %s", is)
	}
	return errors.Join(err, noHandles(fs), s.look(fs.CrashClone(faultfs.Crash{}), rng, 1))
}
