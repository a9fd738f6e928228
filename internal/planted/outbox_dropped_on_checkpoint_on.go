//go:build planted_outbox_dropped_on_checkpoint

package planted

// OutboxDroppedOnCheckpoint: a checkpoint empties the outbox.
const OutboxDroppedOnCheckpoint = true
