//go:build !planted_purge_undone

package planted

// PurgeUndone: a purge is acknowledged, and nothing is purged.
const PurgeUndone = false
