package durable

import (
	"encoding/json"
	"errors"
	"maps"

	"github.com/netherite-go/netherite/model"
)

// Error is a named failure that survives being stored and sent: errors.Is finds
// it live, replayed, and in another process. Wrap it to add a message.
type Error struct {
	name       string
	properties map[string][]byte
}

// NewError makes a named failure, for a package variable. Names are compared
// exactly, so they should be unique among the programs of a hub.
func NewError(name string) *Error { return &Error{name: name} }

// Error returns the name.
func (e *Error) Error() string { return e.name }

// Is reports whether target is a named failure of the same name.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.name == e.name
}

// With returns the same named failure with one more property, encoded as JSON.
// A value that has no JSON form is left out.
func (e *Error) With(property string, value any) *Error {
	b, err := json.Marshal(value)
	if err != nil {
		return e
	}
	c := &Error{name: e.name, properties: maps.Clone(e.properties)}
	if c.properties == nil {
		c.properties = map[string][]byte{}
	}
	c.properties[property] = b
	return c
}

// Named failures that workers and engines produce.
var (
	ErrPanic             = NewError(model.FailurePanic)
	ErrTimeout           = NewError(model.FailureTimeout)
	ErrNonDeterminism    = NewError(model.FailureNonDeterminism)
	ErrTerminated        = NewError(model.FailureTerminated)
	ErrInstanceExists    = NewError(model.FailureInstanceExists)
	ErrPayloadTooLarge   = NewError(model.FailurePayloadTooLarge)
	ErrStepTooLarge      = NewError(model.FailureStepTooLarge)
	ErrHistoryTooLarge   = NewError(model.FailureHistoryTooLarge)
	ErrCriticalSection   = NewError(model.FailureLockViolation)
	ErrUnknownOperation  = NewError(model.FailureUnknownOperation)
	ErrVersionMismatch   = NewError(model.FailureVersionMismatch)
	ErrQuarantined       = NewError(model.FailureQuarantined)
	ErrCanceled          = NewError("Canceled")       // the wait was given up by the code
	ErrPayload           = NewError("InvalidPayload") // a value cannot be encoded or decoded
	ErrUnwinding         = NewError("Unwinding")      // the orchestration is being given up; see Context.Unwinding
	ErrInvalidInstanceID = NewError("InvalidInstanceID")
)

// invalidID is an ErrInvalidInstanceID that says so in its own words.
type invalidID struct{ err error }

func (e *invalidID) Error() string   { return e.err.Error() }
func (e *invalidID) Unwrap() []error { return []error{ErrInvalidInstanceID, e.err} }

// NonRetriable marks an error as one that no retry policy may retry.
func NonRetriable(err error) error {
	if err == nil {
		return nil
	}
	return &nonRetriable{err}
}

type nonRetriable struct{ error }

func (n *nonRetriable) Unwrap() error { return n.error }

// TaskError is why an activity, sub-orchestration or entity operation failed, or
// an orchestration that a client waits for.
type TaskError struct {
	Task         string     // what failed, for example "activity Charge"
	Type         string     // the name of a NewError, or the Go type of the error, or a model.Failure type
	Message      string     // what the error said, without what failed
	Stack        string     // for panics
	NonRetriable bool       // no Retry repeats it
	Cause        *TaskError // nil if none
	// Properties are those of Error.With, by name, as JSON; Property decodes one.
	Properties map[string]json.RawMessage
}

// Error says what failed and why.
func (e *TaskError) Error() string {
	s := (&model.Failure{Type: e.Type, Message: e.Message}).Error()
	if e.Type == plainType {
		s = e.Message
	}
	if e.Task == "" {
		return s
	}
	return e.Task + ": " + s
}

// Is reports whether target is a named failure (NewError) of this Type.
func (e *TaskError) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.name == e.Type
}

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error {
	if e.Cause == nil {
		return nil
	}
	return e.Cause
}

// Property decodes a property; ok is false if there is none of that name and type.
func Property[T any](err error, name string) (v T, ok bool) {
	var t *TaskError
	for errors.As(err, &t) {
		if raw, found := t.Properties[name]; found {
			return v, json.Unmarshal(raw, &v) == nil
		}
		err = t.Unwrap()
	}
	return v, false
}
