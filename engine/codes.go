package engine

import (
	"cmp"
	"context"
	"errors"
)

// codes names the errors of the contract for those who are told of them by another
// process. An error that is several has the code of the first that it is: what
// does not go away by itself comes before ErrUnavailable, so that nobody tries
// for ever what somebody has to mend (decision 0080).
var codes = []struct {
	code string
	err  error
}{
	{"not-found", ErrNotFound},
	{"exists", ErrExists},
	{"replaced", ErrReplaced},
	{"ended", ErrEnded},
	{"not-failed", ErrNotFailed},
	{"invalid", ErrInvalid},
	{"too-large", ErrTooLarge},
	{"closed", ErrClosed},
	{"busy", ErrBusy},
	{"disk-full", ErrDiskFull},
	{"outcome-unknown", ErrOutcomeUnknown},
	{"damaged", ErrDamaged},
	{"newer-format", ErrNewerFormat},
	{"foreign", ErrForeign},
	{"stale", ErrStale},
	{"quarantined", ErrQuarantined},
	{"unavailable", ErrUnavailable},
	{"held", ErrHeld},
	{"timeout", context.DeadlineExceeded},
	{"canceled", context.Canceled},
}

// CodeOf is the code of an error of the contract, such as "not-found"; empty for
// every other error. A PartialError has the code of its reason, or is unavailable.
// Codes are only ever added.
func CodeOf(err error) string {
	if partial, ok := errors.AsType[*PartialError](err); ok {
		return cmp.Or(CodeOf(partial.Reason), "unavailable")
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return ""
}

// OfCode is the error of the contract that has a code, the inverse of CodeOf; nil
// if none has it.
func OfCode(code string) error {
	for _, c := range codes {
		if c.code == code {
			return c.err
		}
	}
	return nil
}

// Told is an error that another process has told of: its text, and the error of
// the contract that has the code. An error of no known code has the text alone.
func Told(code, text string) error { return &told{text, OfCode(code)} }

type told struct {
	text  string
	cause error
}

// Error is the text as it was told.
func (e *told) Error() string { return e.text }

// Unwrap returns the error of the contract, if it is one.
func (e *told) Unwrap() error { return e.cause }
