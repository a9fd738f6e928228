//go:build !planted_key_of_attempt

package planted

// KeyOfAttempt: the idempotency key is that of an attempt, not of a call.
const KeyOfAttempt = false
