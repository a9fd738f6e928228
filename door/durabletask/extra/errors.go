package extra

import (
	"errors"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// ErrNoHub says that a server has no task hub of the name that a call gave.
var ErrNoHub = errors.New("there is no such task hub")

// noHub is its code, beside those of engine.CodeOf.
const noHub = "no-hub"

// codeOf is an error's code; empty if it has none.
func codeOf(err error) string {
	code := engine.CodeOf(err)
	if code == "" && errors.Is(err, ErrNoHub) {
		return noHub
	}
	return code
}

// Of says an error of the contract; nil if it is of none of its kinds.
func Of(err error) *Error {
	if partial, ok := errors.AsType[*engine.PartialError](err); ok {
		x := &Error{Message: partial.Reason.Error(), Code: codeOf(partial.Reason)}
		for _, p := range partial.Partitions {
			x.Partitions = append(x.Partitions, int32(p))
		}
		return x
	}
	if code := codeOf(err); code != "" {
		return &Error{Code: code}
	}
	return nil
}

// noHubTold is an ErrNoHub with the server's message.
type noHubTold struct{ message string }

// Error is the server's message.
func (e *noHubTold) Error() string { return e.message }

// Unwrap returns ErrNoHub.
func (e *noHubTold) Unwrap() error { return ErrNoHub }

// Err is the inverse of Of, with the server's message.
func (x *Error) Err(message string) error {
	if strings.TrimSpace(message) == "" {
		message = "the server answered with an error that it did not describe"
	}
	switch {
	case len(x.GetPartitions()) > 0:
		p := &engine.PartialError{Reason: (&Error{Code: x.Code}).Err(x.GetMessage())}
		for _, i := range x.Partitions {
			p.Partitions = append(p.Partitions, int(i))
		}
		return p
	case x.GetCode() == noHub:
		return &noHubTold{message}
	}
	return engine.Told(x.GetCode(), message)
}
