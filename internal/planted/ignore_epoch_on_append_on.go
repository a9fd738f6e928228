//go:build planted_ignore_epoch_on_append

package planted

// IgnoreEpochOnAppend: an earlier opening appends to the log of a later one.
const IgnoreEpochOnAppend = true
