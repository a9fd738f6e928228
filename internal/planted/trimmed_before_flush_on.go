//go:build planted_trimmed_before_flush

package planted

// TrimmedBeforeFlush: the log is trimmed up to what the store has, durable or not.
const TrimmedBeforeFlush = true
