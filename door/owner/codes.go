package owner

import (
	"context"
	"errors"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// codes names the errors of the contract on the wire.
var codes = []struct {
	code string
	err  error
}{
	{"not-found", engine.ErrNotFound},
	{"exists", engine.ErrExists},
	{"ended", engine.ErrEnded},
	{"not-failed", engine.ErrNotFailed},
	{"invalid", engine.ErrInvalid},
	{"too-large", engine.ErrTooLarge},
	{"closed", engine.ErrClosed},
	{"busy", engine.ErrBusy},
	{"disk-full", engine.ErrDiskFull},
	{"unavailable", engine.ErrUnavailable},
	{"outcome-unknown", engine.ErrOutcomeUnknown},
	{"held", engine.ErrHeld},
	{"foreign", engine.ErrForeign},
	{"newer-format", engine.ErrNewerFormat},
	{"damaged", engine.ErrDamaged},
	{"quarantined", engine.ErrQuarantined},
	{"replaced", engine.ErrReplaced},
	{"timeout", context.DeadlineExceeded},
	{"canceled", context.Canceled},
}

// internal is the code of every other error.
const internal = "internal"

// wireError is an error on the wire.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Of an engine.PartialError, which comes with a result; its code is that of
	// its reason.
	Partitions []int `json:"partitions,omitempty"`
}

// encodeError finds an error's code.
func encodeError(err error) *wireError {
	var partial *engine.PartialError
	if errors.As(err, &partial) {
		w := encodeError(partial.Reason)
		w.Partitions = partial.Partitions
		return w
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return &wireError{Code: c.code, Message: err.Error()}
		}
	}
	return &wireError{Code: internal, Message: err.Error()}
}

// remoteError is an error that the hub answered.
type remoteError struct {
	message string
	cause   error
}

// Error is the hub's message, unchanged.
func (e *remoteError) Error() string { return e.message }

// Unwrap returns the error of the contract.
func (e *remoteError) Unwrap() error { return e.cause }

// decodeError is the inverse of encodeError. An error has a text, even if the hub
// sent none.
func decodeError(w *wireError) error {
	if strings.TrimSpace(w.Message) == "" {
		w.Message = "the hub answered with an error that it did not describe"
	}
	if len(w.Partitions) > 0 {
		return &engine.PartialError{Partitions: w.Partitions, Reason: decodeError(&wireError{Code: w.Code, Message: w.Message})}
	}
	for _, c := range codes {
		if c.code == w.Code {
			return &remoteError{message: w.Message, cause: c.err}
		}
	}
	return errors.New(w.Message)
}
