//go:build !planted_retry_after_window

package planted

// RetryAfterWindow: a request that is too old to be told from a repetition is applied.
const RetryAfterWindow = false
