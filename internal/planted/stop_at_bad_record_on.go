//go:build planted_stop_at_bad_record

package planted

// StopAtBadRecord: a bad record is taken for the end of the log.
const StopAtBadRecord = true
