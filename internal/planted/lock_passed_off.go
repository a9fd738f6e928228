//go:build !planted_lock_passed

package planted

// LockPassed: an operation of somebody else passes a lock.
const LockPassed = false
