package netherite

import "time"

// patience is how many orchestrations of a partition begin at a tick of the keeper
// although as many are at work as can be kept alive, if those take long: others need
// not wait for them.
const patience = 64

// slowWork is how long workers have what they have, on average, when it takes long.
const slowWork = 500 * time.Millisecond

// bear lets orchestrations begin that are held back, a few at each Tick, while those
// at work take long: then they wait for something themselves. It reports whether any
// are held.
func (k *keeper) bear(now time.Duration) (held bool) {
	n := k.n
	if now-k.looked >= slowWork {
		back := n.back.Load()
		k.slow = n.steps.Load()+n.tasks.Load() > back-k.back
		k.looked, k.back = now, back
	}
	for _, h := range n.hosts {
		if h.holding.Load() {
			if held = true; k.slow || !n.crowded() {
				h.do((*host).bearWith)
			}
		}
	}
	return held
}

// crowded reports whether workers have half of what they keep alive or more.
func (n *node) crowded() bool {
	live := n.e.feed.live.Load()
	return live > 0 && 2*(n.steps.Load()+n.tasks.Load()) >= live
}

// begin is how many orchestrations may begin beyond their turn: until as many are
// at work as workers keep alive. Where more than that take turns, each step replays
// its orchestration: with 4,096 clients Hello5 fell from 25,000 a second to 7,000.
func (h *host) begin() int {
	n := dispatchSlice
	if live := h.n.e.feed.live.Load(); live > 0 {
		share := int(live)/len(h.n.hosts) + 1
		if n = share - h.state.AtWork(); !h.n.crowded() {
			n = max(n, share/2) // what is at work waits for something else than workers
		}
	}
	if h.hands.patient {
		h.hands.patient = false
		n = max(n, 0) + patience
	}
	return min(max(n, 0), dispatchSlice)
}

// bearWith lets some orchestrations begin that have been held back.
func (h *host) bearWith() {
	h.hands.patient = true
}
