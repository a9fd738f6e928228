package owner

import (
	"cmp"
	"errors"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// internal is the code of an error that is none of the contract.
const internal = "internal"

// wireError is an error on the wire. Its code is one of engine.CodeOf, or internal.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Of an engine.PartialError, which comes with a result; its code is that of
	// its reason.
	Partitions []int `json:"partitions,omitempty"`
}

// encodeError finds an error's code.
func encodeError(err error) *wireError {
	if partial, ok := errors.AsType[*engine.PartialError](err); ok {
		w := encodeError(partial.Reason)
		w.Partitions = partial.Partitions
		return w
	}
	return &wireError{Code: cmp.Or(engine.CodeOf(err), internal), Message: err.Error()}
}

// decodeError is the inverse of encodeError. An error has a text, even if the hub
// sent none.
func decodeError(w *wireError) error {
	if strings.TrimSpace(w.Message) == "" {
		w.Message = "the hub answered with an error that it did not describe"
	}
	err := engine.Told(w.Code, w.Message)
	if len(w.Partitions) > 0 {
		return &engine.PartialError{Partitions: w.Partitions, Reason: err}
	}
	return err
}
