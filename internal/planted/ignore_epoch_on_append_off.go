//go:build !planted_ignore_epoch_on_append

package planted

// IgnoreEpochOnAppend: an earlier opening of the log may write.
const IgnoreEpochOnAppend = false
