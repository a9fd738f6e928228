package netherite

import "time"

// workAge is how long an orchestration counts as being at work after it has last
// got on, once to twice this long. What takes longer waits for something outside,
// or for code that nobody has: then others need not wait for it.
const workAge = 100 * time.Millisecond

// unhold has the partitions look again that hold orchestrations back. It reports
// whether there are any.
func (k *keeper) unhold() (held bool) {
	for _, h := range k.n.hosts {
		if h.holding.Load() {
			held = true
			h.do((*host).lookAgain)
		}
	}
	return held
}

// lookAgain lets what is at work age. Dispatch follows.
func (h *host) lookAgain() {
	if now := h.batch.mono; now-h.aged >= workAge {
		h.aged = now
		h.state.Age()
	}
}

// begin is how many orchestrations may begin beyond their turn: until as many are
// at work, here or in all partitions together, as workers keep alive. Where more
// than that take turns, each step replays its orchestration: with 4,096 clients
// Hello5 fell from 25,000 a second to 7,000.
func (h *host) begin() int {
	live, parts := int(h.n.e.feed.live.Load()), len(h.n.hosts)
	if live == 0 {
		return dispatchSlice
	}
	own := h.state.AtWork()
	all := int(h.n.atWork.Add(int64(own - h.atWork)))
	h.atWork = own
	n := max(live/parts+1-own, (live-all)/parts)
	return min(max(n, 0), dispatchSlice)
}
