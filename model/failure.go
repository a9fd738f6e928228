package model

import "strings"

// Failure describes why a task, operation or orchestration failed. It has the
// fields of the protocol's TaskFailureDetails and survives every hop unchanged.
type Failure struct {
	Type         string // machine-readable kind, for example "insufficient-funds"
	Message      string
	Stack        string // stack trace, for panics; may be empty
	NonRetriable bool   // retry policies must give up at once
	Cause        *Failure
	// Properties holds JSON-encoded values by name.
	Properties map[string][]byte
}

// Failure types that engines and workers produce themselves.
const (
	FailurePanic            = "Panic"
	FailureTimeout          = "Timeout"
	FailureNonDeterminism   = "NonDeterministicOrchestration"
	FailureTerminated       = "Terminated"
	FailureInstanceExists   = "InstanceAlreadyExists"
	FailurePayloadTooLarge  = "PayloadTooLarge"
	FailureStepTooLarge     = "StepTooLarge"
	FailureHistoryTooLarge  = "HistoryTooLarge"
	FailureInvalidStep      = "InvalidStep"
	FailureLockViolation    = "CriticalSectionViolation"
	FailureUnknownOperation = "EntityOperationNotFound"
	FailureVersionMismatch  = "VersionMismatch"
	FailureQuarantined      = "Quarantined"
)

// Error makes a Failure usable as an error: "Type: Message", or Message alone if
// that begins with the type, as that of a wrapped named error does.
func (f *Failure) Error() string {
	switch {
	case f.Type == "":
		return f.Message
	case f.Message == "":
		return f.Type
	case strings.HasPrefix(f.Message, f.Type) && (len(f.Message) == len(f.Type) || f.Message[len(f.Type)] == ':'):
		return f.Message
	}
	return f.Type + ": " + f.Message
}

// Unwrap returns the cause, if any.
func (f *Failure) Unwrap() error {
	if f.Cause == nil {
		return nil
	}
	return f.Cause
}
