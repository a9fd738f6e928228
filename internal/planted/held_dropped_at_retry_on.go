//go:build planted_held_dropped_at_retry

package planted

// HeldDroppedAtRetry: what was held behind the first for an instance that was set aside is dropped by a retry.
const HeldDroppedAtRetry = true
