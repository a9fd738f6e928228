//go:build planted_recovery_on_unsynced

package planted

// RecoveryOnUnsynced: a recovery takes what may be in the page cache only for durable.
const RecoveryOnUnsynced = true
