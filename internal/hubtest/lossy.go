package hubtest

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
)

// Lossy makes transports between partitions that lose, duplicate, delay and
// reorder frames, by a seed.
type Lossy struct {
	clock substrate.Clock

	mu    sync.Mutex
	rng   *rand.Rand
	lost  int
	twice int
}

// NewLossy returns a maker of transports that delay by a clock.
func NewLossy(seed uint64, clock substrate.Clock) *Lossy {
	return &Lossy{clock: clock, rng: rand.New(rand.NewPCG(seed, 3))}
}

// Resend is a good choice for netherite.Options.Resend: longer than what a lossy
// transport delays.
const Resend = 5 * time.Millisecond

// Faults returns how many frames were lost and how many delivered twice.
func (l *Lossy) Faults() (lost, twice int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost, l.twice
}

// Transport is a netherite.NewTransport.
func (l *Lossy) Transport(deliver func([]netherite.Frame)) netherite.Transport {
	t := &transport{Lossy: l, deliver: deliver, stop: make(chan struct{}), stirred: make(chan struct{}, 1)}
	t.wg.Go(t.run)
	return t
}

// transport is a connection of one incarnation.
type transport struct {
	*Lossy
	deliver func([]netherite.Frame)
	stop    chan struct{}
	stirred chan struct{}
	wg      sync.WaitGroup
	closed  bool              // guarded by Lossy.mu
	pending []netherite.Frame // guarded by Lossy.mu
}

// Send takes frames, some of them twice and some not at all.
func (t *transport) Send(frames []netherite.Frame) {
	t.mu.Lock()
	for _, f := range frames {
		switch n := t.rng.IntN(100); {
		case n < 10:
			t.lost++
		case n < 25:
			t.twice++
			t.pending = append(t.pending, f, f)
		default:
			t.pending = append(t.pending, f)
		}
	}
	t.mu.Unlock()
	t.stir()
}

func (t *transport) stir() {
	select {
	case t.stirred <- struct{}{}:
	default:
	}
}

// run delivers what is pending in an order of its own.
func (t *transport) run() {
	for {
		select {
		case <-t.stop:
			return
		case <-t.stirred:
		}
		for {
			f, ok, more := t.pick()
			if ok {
				t.deliver([]netherite.Frame{f})
				continue
			}
			if more {
				t.clock.AfterFunc(time.Millisecond, t.stir)
			}
			break
		}
	}
}

// pick takes any of the pending frames; one in four times it rather waits.
func (t *transport) pick() (f netherite.Frame, ok, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) == 0 || t.closed {
		return f, false, false
	}
	if t.rng.IntN(4) == 0 {
		return f, false, true
	}
	i := t.rng.IntN(len(t.pending))
	f = t.pending[i]
	t.pending[i] = t.pending[len(t.pending)-1]
	t.pending = t.pending[:len(t.pending)-1]
	return f, true, true
}

// Close implements netherite.Transport.
func (t *transport) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	close(t.stop)
	t.wg.Wait()
}
