package engine

import (
	"errors"
	"fmt"
)

// Errors of the contract. They are wrapped with what was attempted; test with errors.Is.
var (
	ErrNotFound       = errors.New("instance not found")
	ErrExists         = errors.New("instance already exists")
	ErrReplaced       = errors.New("instance was replaced by another run of its ID")
	ErrEnded          = errors.New("instance has ended")
	ErrNotFailed      = errors.New("instance has not failed")
	ErrInvalid        = errors.New("invalid request")
	ErrTooLarge       = errors.New("payload too large")
	ErrClosed         = errors.New("hub is closed")
	ErrHeld           = errors.New("directory is held by another process")
	ErrBusy           = errors.New("hub is over its memory limit, try again later")
	ErrDiskFull       = errors.New("disk is full")
	ErrUnavailable    = errors.New("partition is unavailable")
	ErrOutcomeUnknown = errors.New("outcome unknown: the request is too old to be told from a repetition")
	ErrDamaged        = errors.New("stored data is damaged")
	ErrNewerFormat    = errors.New("stored data has a newer format than this program reads")
	ErrForeign        = errors.New("not a task hub directory")
	ErrStale          = errors.New("work item is no longer this worker's")
	ErrQuarantined    = errors.New("instance is quarantined")
)

// PartialError is the error of Query, PurgeWhere and CleanEntities when they had
// to leave out partitions that do not run. What they return beside it is right
// for all others, and goes on with its token. It is an ErrUnavailable.
type PartialError struct {
	Partitions []int // in order
	Reason     error // of the first of them
}

// Error names the partitions and the reason.
func (e *PartialError) Error() string {
	return fmt.Sprintf("incomplete: without the instances of partitions %v: %v", e.Partitions, e.Reason)
}

// Unwrap returns the reason.
func (e *PartialError) Unwrap() []error { return []error{ErrUnavailable, e.Reason} }
