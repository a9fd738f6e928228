package netherite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate/mem"
)

// killAfter makes the engine die once it has admitted n more events, at a moment
// that is different in every run of the test but always in the middle of work.
type killAfter struct {
	mu   sync.Mutex
	left int
	dead chan struct{}
}

func (k *killAfter) hook(int, partition.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left--; k.left == 0 {
		close(k.dead)
	}
}

func TestCrashLosesNothingAcknowledgedAndRepeatsNothing(t *testing.T) {
	keeps := map[string]func(*rand.Rand) mem.Keep{
		"keep-none": func(*rand.Rand) mem.Keep { return mem.KeepNone },
		"keep-all":  func(*rand.Rand) mem.Keep { return mem.KeepAll },
		"keep-some": func(r *rand.Rand) mem.Keep { return mem.KeepRandom(r) },
	}
	for name, keep := range keeps {
		for _, release := range []netherite.Release{netherite.ReleaseNode, netherite.ReleasePartition, netherite.ReleaseConservative} {
			t.Run(fmt.Sprintf("%s/%v", name, release), func(t *testing.T) {
				for seed := range uint64(4) {
					crashes(t, seed, release, keep)
				}
			})
		}
	}
}

// crashes runs the ledger over several crashes.
func crashes(t *testing.T, seed uint64, release netherite.Release, keep func(*rand.Rand) mem.Keep) {
	rng := rand.New(rand.NewPCG(seed, 7))
	storage := newMemory(4)
	l := newLedger(6)
	for round := range 4 {
		k := &killAfter{left: 20 + rng.IntN(400), dead: make(chan struct{})}
		e := openHub(t, storage, func(o *netherite.Options) {
			o.Release = release
			o.BeforeStep(k.hook)
			o.KeeperTick(time.Millisecond)
			o.Checkpoint = netherite.Checkpoint{Records: int64(20 + rng.IntN(200)), Idle: time.Duration(1+rng.IntN(5)) * time.Millisecond}
		})
		w := l.worker()
		w.connect(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-k.dead
			e.Kill(false)
			cancel()
		}()
		l.run(ctx, t, e, round, 200, 8, rng)
		alive := time.After(patience) // what goes on comes to its end of its own accord
		if t.Failed() {
			alive = time.After(0) // what has failed may not
		}
		select {
		case <-ctx.Done():
		case <-alive:
			cancel()
			t.Fatalf("seed %d, round %d: it does not get on", seed, round)
		}
		w.close()
		storage.log.Crash(keep(rng))
		storage.store.Crash(keep(rng), keep(rng))
	}
	e := openHub(t, storage)
	w := l.worker()
	w.connect(t, e)
	defer w.close()
	l.check(t, e)
}
