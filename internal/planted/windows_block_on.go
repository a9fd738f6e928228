//go:build planted_windows_block

package planted

// WindowsBlock: who waits for room in the window of another partition takes no messages itself.
const WindowsBlock = true
