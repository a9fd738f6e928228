//go:build !planted_ack_before_sync

package planted

// AckBeforeSync: the commit is not synced.
const AckBeforeSync = false
