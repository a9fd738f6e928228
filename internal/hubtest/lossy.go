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
	last  *transport // that was made
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

// Owes says whether a partition of the latest incarnation waits for another: for
// the acknowledgement of a message that it has sent, or for the answer to a hello.
// As long as it does, whatever was lost has yet to be sent again. An answer counts
// once it was delivered; the receiver may not have looked at it. So one that was on
// its way when a hello was sent may have answered that, too: a partition that waits
// still says hello again within patience.
func (l *Lossy) Owes(patience time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		return false
	}
	for _, d := range l.last.debts {
		if d.sent > d.acked || d.hello && l.clock.Mono()-d.asked <= patience {
			return true
		}
	}
	return false
}

// Transport is a netherite.NewTransport.
func (l *Lossy) Transport(deliver func([]netherite.Frame)) netherite.Transport {
	t := &transport{
		Lossy: l, deliver: deliver, debts: make(map[pair]debt), stop: make(chan struct{}), stirred: make(chan struct{}, 1),
	}
	l.mu.Lock()
	l.last = t
	l.mu.Unlock()
	t.wg.Go(t.run)
	return t
}

// pair is one that sends messages, and the one that it sends them to.
type pair struct{ from, to int }

// debt is what the receiver of a pair owes to the sender.
type debt struct {
	hello       bool // an answer to that
	asked       time.Duration
	sent, acked uint64 // acknowledgements of the messages between these sequence numbers
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
	debts   map[pair]debt     // guarded by Lossy.mu
}

// Send takes frames, some of them twice and some not at all.
func (t *transport) Send(frames []netherite.Frame) {
	t.mu.Lock()
	for _, f := range frames {
		t.charge(&f)
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

// charge notes what a frame that is sent asks for.
func (t *transport) charge(f *netherite.Frame) {
	p := pair{f.From, f.To}
	d := t.debts[p]
	switch f.Kind {
	case netherite.FrameHello:
		d.hello, d.asked = true, t.clock.Mono()
	case netherite.FrameMessages:
		d.sent = max(d.sent, f.First+uint64(len(f.Messages))-1)
	default:
		return
	}
	t.debts[p] = d
}

// settle notes what a frame that was delivered answers.
func (t *transport) settle(f *netherite.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := pair{f.To, f.From}
	d := t.debts[p]
	switch f.Kind {
	case netherite.FrameSeen:
		d.hello, d.acked = false, max(d.acked, f.Through)
	case netherite.FrameAck:
		d.acked = max(d.acked, f.Through)
	case netherite.FrameResend:
		d.acked = max(d.acked, f.First-1)
	default:
		return
	}
	t.debts[p] = d
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
				t.settle(&f)
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
