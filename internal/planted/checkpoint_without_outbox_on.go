//go:build planted_checkpoint_without_outbox

package planted

// CheckpointWithoutOutbox: checkpoints lack the outbox.
const CheckpointWithoutOutbox = true
