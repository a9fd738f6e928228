//go:build planted_parked_pins_log

package planted

// ParkedPinsLog: the log is kept for as long as a partition is parked.
const ParkedPinsLog = true
