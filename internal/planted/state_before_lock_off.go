//go:build !planted_state_before_lock

package planted

// StateBeforeLock: an entity is read as it was before it was locked last.
const StateBeforeLock = false
