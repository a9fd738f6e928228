//go:build !planted_suspend_leaks

package planted

// SuspendLeaks: a suspension holds nothing back.
const SuspendLeaks = false
