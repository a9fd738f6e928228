package netherite

import (
	"fmt"
	"math"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// misread is for planted bugs: what is replayed is not what was recorded.
func (h *host) misread(ev partition.Event) (err error) {
	switch e := ev.(type) {
	case *partition.Command:
		if planted.OldRecordNewMeaning && (e.Op == partition.OpSuspend || e.Op == partition.OpResume) {
			e.Op = partition.OpSuspend + partition.OpResume - e.Op
		}
	case *partition.Received:
		if planted.ReceiptByReference {
			origin := h.n.hosts[e.Origin]
			if e.Messages = origin.state.Retained(h.id, e.First, len(e.Messages)); e.Messages == nil {
				return fmt.Errorf("%w: partition %d has no messages from %d on for partition %d", engine.ErrDamaged, e.Origin, e.First, h.id)
			}
		}
	}
	return nil
}

// later marks in peer.gap what putOff has put off.
const later = math.MaxUint64

// putOff is for a planted bug: it reports whether a partition does not take messages
// because its own wait for room.
func (h *host) putOff(ev partition.Event) bool {
	r, ok := ev.(*partition.Received)
	if !ok || !h.blocked.Load() {
		return false
	}
	h.peers[r.Origin].gap = later
	return true
}

// takeUp takes what was put off.
func (h *host) takeUp() {
	for origin := range h.peers {
		if h.peers[origin].gap == later {
			h.askAgain(origin)
		}
	}
}

// trimEarly is for a planted bug: it lets go of the log before what was applied,
// durable or not.
func (k *keeper) trimEarly() {
	needed := substrate.Offset(k.n.commit.durable.Load())
	for id := range k.parts {
		needed = min(needed, k.parts[id].applied.Offset)
	}
	_ = k.n.wal.Trim(needed) // the next Trim tells of it
}
