package netherite_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
)

// chaosnet is a transport that loses, duplicates, delays and reorders frames, by
// a seed.
type chaosnet struct {
	deliver func([]netherite.Frame)
	stop    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	rng     *rand.Rand
	closed  bool
	pending []netherite.Frame
	stirred chan struct{}
	lost    int
	twice   int
}

func newChaosnet(seed uint64) (*chaosnet, netherite.NewTransport) {
	c := &chaosnet{rng: rand.New(rand.NewPCG(seed, 3)), stop: make(chan struct{}), stirred: make(chan struct{}, 1)}
	return c, func(deliver func([]netherite.Frame)) netherite.Transport {
		c.deliver = deliver
		c.wg.Go(c.run)
		return c
	}
}

// Send takes frames, some of them twice and some not at all.
func (c *chaosnet) Send(frames []netherite.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frames {
		switch n := c.rng.IntN(100); {
		case n < 10:
			c.lost++
		case n < 25:
			c.twice++
			c.pending = append(c.pending, f, f)
		default:
			c.pending = append(c.pending, f)
		}
	}
	select {
	case c.stirred <- struct{}{}:
	default:
	}
}

// run delivers what is pending in an order of its own.
func (c *chaosnet) run() {
	for {
		select {
		case <-c.stop:
			return
		case <-c.stirred:
		case <-time.After(time.Millisecond):
		}
		for {
			f, ok := c.pick()
			if !ok {
				break
			}
			c.deliver([]netherite.Frame{f})
		}
	}
}

// pick takes any of the pending frames; one in four times it rather waits.
func (c *chaosnet) pick() (netherite.Frame, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 || c.closed || c.rng.IntN(4) == 0 {
		return netherite.Frame{}, false
	}
	i := c.rng.IntN(len(c.pending))
	f := c.pending[i]
	c.pending[i] = c.pending[len(c.pending)-1]
	c.pending = c.pending[:len(c.pending)-1]
	return f, true
}

func (c *chaosnet) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	close(c.stop)
	c.wg.Wait()
}

func TestTransportMayLoseDuplicateDelayAndReorder(t *testing.T) {
	for seed := range uint64(3) {
		c, transport := newChaosnet(seed)
		e := openHub(t, newMemory(4), func(o *netherite.Options) {
			o.Transport = transport
			o.Resend = 5 * time.Millisecond
			o.KeeperTick(time.Millisecond)
		})
		l := newLedger(6)
		w := l.worker()
		w.connect(t, e)
		l.run(t.Context(), t, e, 0, 150, 8, rand.New(rand.NewPCG(seed, 9)))
		l.check(t, e)
		w.close()
		c.mu.Lock()
		if c.lost == 0 || c.twice == 0 {
			t.Errorf("seed %d: nothing was lost (%d) or duplicated (%d)", seed, c.lost, c.twice)
		}
		c.mu.Unlock()
		if s := e.Stats(); s.Parked != 0 {
			t.Errorf("seed %d: %d partitions are parked", seed, s.Parked)
		}
	}
}
