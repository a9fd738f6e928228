//go:build !planted_terminated_kept

package planted

// TerminatedKept: retention leaves out what was terminated.
const TerminatedKept = false
