//go:build !planted_waiting_dropped

package planted

// WaitingDropped: a partition that was parked says that it has seen what waits for it.
const WaitingDropped = false
