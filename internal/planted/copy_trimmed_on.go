//go:build planted_copy_trimmed

package planted

// CopyTrimmed: the log is trimmed while a hub is copied.
const CopyTrimmed = true
