//go:build planted_copy_without_last

package planted

// CopyWithoutLast: a copy of the log lacks the segment that is being written to.
const CopyWithoutLast = true
