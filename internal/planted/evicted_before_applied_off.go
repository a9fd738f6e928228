//go:build !planted_evicted_before_applied

package planted

// EvictedBeforeApplied: what a checkpoint is about to store may be evicted.
const EvictedBeforeApplied = false
