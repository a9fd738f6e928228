//go:build planted_lock_released_early

package planted

// LockReleasedEarly: an operation of somebody else passes a lock.
const LockReleasedEarly = true
