package extra

import (
	"context"
	"errors"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// codes names the errors of the contract.
var codes = []struct {
	code string
	err  error
}{
	{"not-found", engine.ErrNotFound},
	{"exists", engine.ErrExists},
	{"replaced", engine.ErrReplaced},
	{"ended", engine.ErrEnded},
	{"not-failed", engine.ErrNotFailed},
	{"invalid", engine.ErrInvalid},
	{"too-large", engine.ErrTooLarge},
	{"closed", engine.ErrClosed},
	{"busy", engine.ErrBusy},
	{"disk-full", engine.ErrDiskFull},
	{"outcome-unknown", engine.ErrOutcomeUnknown},
	{"damaged", engine.ErrDamaged},
	{"newer-format", engine.ErrNewerFormat},
	{"stale", engine.ErrStale},
	{"quarantined", engine.ErrQuarantined},
	{"unavailable", engine.ErrUnavailable},
	{"timeout", context.DeadlineExceeded},
	{"canceled", context.Canceled},
	{"no-hub", ErrNoHub},
}

// ErrNoHub says that a server has no task hub of the name that a call gave.
var ErrNoHub = errors.New("there is no such task hub")

// Of says an error of the contract; nil if it is of none of its kinds.
func Of(err error) *Error {
	var partial *engine.PartialError
	if errors.As(err, &partial) {
		x := &Error{Message: partial.Reason.Error()}
		if of := Of(partial.Reason); of != nil {
			x.Code = of.Code
		}
		for _, p := range partial.Partitions {
			x.Partitions = append(x.Partitions, int32(p))
		}
		return x
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return &Error{Code: c.code}
		}
	}
	return nil
}

// told is an error that a server answered.
type told struct {
	message string
	cause   error
}

// Error is the server's message.
func (e *told) Error() string { return e.message }

// Unwrap returns the error of the contract, if it is one.
func (e *told) Unwrap() error { return e.cause }

// Err is the inverse of Of, with the server's message.
func (x *Error) Err(message string) error {
	if strings.TrimSpace(message) == "" {
		message = "the server answered with an error that it did not describe"
	}
	if len(x.GetPartitions()) > 0 {
		p := &engine.PartialError{Reason: (&Error{Code: x.Code}).Err(x.GetMessage())}
		for _, i := range x.Partitions {
			p.Partitions = append(p.Partitions, int(i))
		}
		return p
	}
	e := &told{message: message}
	for _, c := range codes {
		if c.code == x.GetCode() {
			e.cause = c.err
		}
	}
	return e
}
