package netherite_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

func TestTransportMayLoseDuplicateDelayAndReorder(t *testing.T) {
	for seed := range uint64(3) {
		lossy := hubtest.NewLossy(seed, sysclock.New())
		e := openHub(t, newMemory(4), func(o *netherite.Options) {
			o.Transport, o.Resend = lossy.Transport, hubtest.Resend
			o.KeeperTick(time.Millisecond)
		})
		l := newLedger(6)
		w := l.worker()
		w.connect(t, e)
		l.run(t.Context(), t, e, 0, 150, 8, rand.New(rand.NewPCG(seed, 9)))
		l.check(t, e)
		w.close()
		if lost, twice := lossy.Faults(); lost == 0 || twice == 0 {
			t.Errorf("seed %d: nothing was lost (%d) or duplicated (%d)", seed, lost, twice)
		}
		if s := e.Stats(); s.Parked != 0 {
			t.Errorf("seed %d: %d partitions are parked", seed, s.Parked)
		}
	}
}
