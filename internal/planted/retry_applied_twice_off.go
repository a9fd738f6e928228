//go:build !planted_retry_applied_twice

package planted

// RetryAppliedTwice: a request is forgotten after a second.
const RetryAppliedTwice = false
