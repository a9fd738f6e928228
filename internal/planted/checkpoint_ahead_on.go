//go:build planted_checkpoint_ahead

package planted

// CheckpointAhead: a checkpoint is applied before its position is durable.
const CheckpointAhead = true
