package netherite

import (
	"cmp"
	"slices"

	"github.com/netherite-go/netherite/substrate"
)

// outlook is what a Tick has to do.
type outlook struct {
	due   []int // partitions to capture, those whose first record beyond the store is oldest first
	flush bool  // what was applied has to be made durable, once no capture is under way
	now   bool  // or even if some are
}

// look lists the partitions that need a checkpoint, and says whether to flush.
// Partitions take turns, so that their captures are spread evenly over the
// distance between two checkpoints, and one flush follows when all had theirs.
func (k *keeper) look(end substrate.Offset, records int64, all bool) (o outlook) {
	limit := &k.n.opts.Checkpoint
	var waiting []int // could be captured
	var lagging bool  // some have not been captured since the last flush
	for id := range k.parts {
		p, h := &k.parts[id], k.n.hosts[id]
		last := substrate.Offset(h.appended.Load())
		if h.parked.Load() != nil {
			if p.capturing {
				p.capturing = false
				k.active--
			}
			continue
		}
		if last <= p.flushed.Offset {
			continue
		}
		far := limit.reached(int64(end-p.flushed.Offset), records-p.flushedRecords)
		// What was written only for its memory need not be flushed yet.
		if p.applied.Offset <= p.flushed.Offset {
			lagging = true
		} else if all || far >= 0.5 {
			o.flush = true
			o.now = o.now || far >= 15./16
		}
		if p.capturing || last <= p.applied.Offset {
			continue
		}
		waiting = append(waiting, id)
		if all || p.wanted.Load() || limit.reached(int64(end-p.applied.Offset), records-p.appliedRecords) >= 0.5 {
			o.due = append(o.due, id)
		}
	}
	o.flush = o.flush && (all || !lagging)
	oldest := func(a, b int) int { return cmp.Compare(k.parts[a].applied.Offset, k.parts[b].applied.Offset) }
	slices.SortFunc(o.due, oldest)
	// A little less than half the distance for all, so that none comes to the half.
	if n := len(waiting); n > 0 && len(o.due) == 0 &&
		limit.reached(int64(end-k.last.end), records-k.last.records)*float64(n) >= 7./16 {
		o.due = append(o.due, slices.MinFunc(waiting, oldest))
	}
	return o
}
