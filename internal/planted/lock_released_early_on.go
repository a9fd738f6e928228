//go:build planted_lock_released_early

package planted

// LockReleasedEarly: a lock is released before what its holder has asked for is written.
const LockReleasedEarly = true
