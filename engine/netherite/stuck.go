package netherite

import "fmt"

// A store may be damaged where nobody reads: what it holds there is in the way of what
// it has to write. Another opening would meet the same, so the node goes on, and the
// partitions park whose checkpoints the store does not take. Their records are in the
// log, which is kept. The store may take the checkpoints of the others again: another flush
// is tried when one of them has something to write.

// giveUp parks a partition whose checkpoint the store did not take.
func (k *keeper) giveUp(h *host, damage error) {
	damage = storageError(fmt.Errorf("its checkpoint cannot be written: %w", damage))
	h.do(func(h *host) { h.park(damage) })
}

// giveUpFlush parks the partitions whose checkpoints were applied and will not be made
// durable.
func (k *keeper) giveUpFlush(damage error) {
	k.stuck = storageError(damage)
	for id := range k.parts {
		p, h := &k.parts[id], k.n.hosts[id]
		if h.parked.Load() == nil && p.applied.Offset > p.flushed.Offset {
			k.giveUp(h, k.stuck)
		}
	}
}
