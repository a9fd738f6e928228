//go:build unix

package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	seed      = flag.Uint64("seed", 0, "which faults and requests: repeats a run; 0 draws one")
	chaosTime = flag.Duration("chaos", 10*time.Second, "how long TestChaos goes on")
	crowd     = flag.Int("clients", 48, "clients of TestChaos")
	diskKind  = flag.String("disk", "auto", "what fills up: tmpfs, limit (of the size of files), or auto")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if code, ran := inNamespace(); ran {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built.dir != "" {
			_ = os.RemoveAll(built.dir) // temporary: the system removes what is left
		}
		os.Exit(code)
	}))
}

// built is the command, made once.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// command builds the command, without the race detector.
func command(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "netherite-chaos-"); built.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "netherite"), "../../../cmd/netherite").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build the command: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "netherite")
}

// newSeed is the run's seed, told before anything happens.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: -seed %d", s)
	return s
}

// split is the generator number n of a seed.
func split(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

// between draws a duration.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)+1))
}

// pause waits for a while, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
