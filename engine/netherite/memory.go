package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
)

// The memory limit is shared out. A fixed part is set aside for what any hub
// takes, whatever it keeps: tables, buffers, what allocators cannot reuse. Of the
// rest, three sixteenths are for the store, three eighths for the partitions'
// states, one sixteenth each for pages and histories that clients read (see
// readShare), and what is left for what is under way: payloads of calls, what waits
// for its commit, what travels between partitions, checkpoints being written,
// live copies with workers. (The garbage collector lets a program take about
// twice what it uses, so that a process stays below three times its limit.)
//
// States are evicted down to their share once they are in the store; those that wait
// for a worker, too, unless one is there that has code for them: these stay until it
// has had them. Where that does not suffice, work is refused in a fixed order: above the high mark no work
// item is handed out and no instance started, above the full mark no other client
// request is taken, and last no purge. What ends work, such as completions,
// acknowledgements and timers, is always admitted.
func storeShare(memory int64) int64 { return rest(memory) * 3 / 16 }
func stateShare(memory int64) int64 { return rest(memory) * 3 / 8 }
func highMark(memory int64) int64   { return rest(memory) / 2 }
func fullMark(memory int64) int64   { return rest(memory) * 5 / 8 }
func purgeMark(memory int64) int64  { return rest(memory) * 3 / 4 }

// setAside is the fixed part, unless that is more than half of the limit.
const setAside = 32 << 20

func rest(memory int64) int64 { return memory - min(setAside, memory/2) }

// captureShare is what checkpoints on their way to the store may take before
// another one begins beside them.
func captureShare(memory int64) int64 { return rest(memory) / 32 }

// maxBacklog bounds what waits for its commit before hand-out pauses.
func maxBacklog(memory int64) int64 { return rest(memory) / 8 }

type intakeKind uint8

const (
	startIntake intakeKind = iota
	otherIntake
	purgeIntake
)

// admit decides whether a client's request is taken; leave follows if it is.
func (e *Engine) admit(k intakeKind, payload int) error {
	if !e.gate.enter() {
		return engine.ErrClosed
	}
	if err := e.room(k); err != nil {
		e.gate.leave()
		e.metrics.turnedAway.Add(1)
		return err
	}
	e.inbound.Add(int64(payload))
	return nil
}

// leave gives back what a request took, for which work may have been held back.
func (e *Engine) leave(payload int) {
	if e.inbound.Add(-int64(payload)); payload > 0 {
		e.unpause()
	}
	e.gate.leave()
}

// unpause is that of the current node, if there is one.
func (e *Engine) unpause() {
	e.mu.Lock()
	n := e.current
	e.mu.Unlock()
	if n != nil {
		n.unpause()
	}
}

func (e *Engine) room(k intakeKind) error {
	e.mu.Lock()
	n, reason := e.current, e.reason
	e.mu.Unlock()
	switch {
	case n == nil && errors.Is(reason, engine.ErrDiskFull):
		return reason
	case n == nil:
		return nil // it waits
	}
	if err := n.short(k); err != nil {
		return err
	}
	mark := [...]func(int64) int64{highMark, fullMark, purgeMark}[k]
	if used := n.usage(); used >= mark(e.opts.Memory) {
		return fmt.Errorf("%w: %d of %d MiB in use", engine.ErrBusy, used>>20, e.opts.Memory>>20)
	}
	return nil
}

// usage is what counts against the memory limit beside the store.
func (n *node) usage() int64 {
	used := n.commit.backlog.Load() + n.e.inbound.Load() + n.captured.Load()
	if !n.opts.CheckReplay { // which has to keep everything in memory
		used += n.used.Load()
	}
	return used
}

// roomy reports whether work may be handed out: there is memory, or nothing is
// under way that could free some. While a disk is full, nothing frees any.
func (n *node) roomy() bool {
	return n.usage() < highMark(n.opts.Memory) && n.commit.backlog.Load() < maxBacklog(n.opts.Memory) ||
		n.steps.Load()+n.tasks.Load() == 0 && !n.commit.full.is() && !n.keeper.full.is()
}

// mayDispatch reports whether work may be handed out. If not for lack of room,
// unpause will wake the partitions.
func (n *node) mayDispatch() bool {
	if n.e.draining.Load() {
		return false
	}
	if n.roomy() {
		return true
	}
	n.paused.Store(true)
	return n.roomy()
}

// unpause wakes all partitions if hand-out was paused and there is room again.
func (n *node) unpause() {
	if n.paused.Load() && n.roomy() && n.paused.CompareAndSwap(true, false) {
		for _, h := range n.hosts {
			h.poke()
		}
	}
}

// account publishes what the state takes, evicts what is beyond the
// partition's part of the share, and asks for a checkpoint if too little of it
// can be evicted.
func (h *host) account() {
	n, u := h.n, &h.upkeep
	if n.opts.EvictAlways {
		mark.Hit(mark.EvictedAlways)
		if !n.e.feed.connected() {
			h.letGo()
		}
		h.state.Evict(0)
	}
	h.state.EvictEnded()
	total, dirty := h.state.Bytes()
	share := stateShare(n.opts.Memory)
	if all := n.used.Load() + total - u.published; all > share {
		part := max(total*share/all, share/int64(4*len(n.hosts)))
		if total > part {
			if !n.e.feed.connected() {
				h.letGo() // there is nobody to run it
			}
			h.state.Evict(part * 15 / 16)
			total, dirty = h.state.Bytes()
		}
		if total > part && dirty > part/16 {
			h.wantCheckpoint() // what is left is not in the store yet
		}
	}
	n.used.Add(total - u.published)
	u.published = total
	if dirty > share/2/int64(len(n.hosts)) || n.opts.EvictAlways && dirty > 0 {
		h.wantCheckpoint()
	}
	n.unpause()
}

// wantCheckpoint asks for a checkpoint, unless one is under way: what that holds
// can be evicted soon, and more often than memory fills up with changes none is
// needed.
func (h *host) wantCheckpoint() {
	if h.upkeep.capture == nil {
		h.n.keeper.want(h.id)
	}
}
