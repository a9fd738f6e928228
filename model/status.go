package model

import (
	"fmt"
	"strings"
)

// Status is an instance's runtime status. The numbers are those of the Durable
// Task protocol (OrchestrationStatus).
type Status uint8

// The runtime statuses.
const (
	Running        Status = 0
	Completed      Status = 1
	ContinuedAsNew Status = 2 // only inside an ExecutionCompleted event
	Failed         Status = 3
	Canceled       Status = 4
	Terminated     Status = 5
	Pending        Status = 6
	Suspended      Status = 7
)

var statusNames = [...]string{"Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Pending", "Suspended"}

// Statuses lists every runtime status in the order of its number.
func Statuses() []Status {
	return []Status{Running, Completed, ContinuedAsNew, Failed, Canceled, Terminated, Pending, Suspended}
}

// String returns the protocol's name, for example "Running".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Ended reports whether the instance can make no further step.
func (s Status) Ended() bool {
	return s == Completed || s == Failed || s == Canceled || s == Terminated
}

// ParseStatus is the inverse of String, ignoring case.
func ParseStatus(name string) (Status, error) {
	for i, n := range statusNames {
		if strings.EqualFold(n, name) {
			return Status(i), nil
		}
	}
	return 0, fmt.Errorf("unknown status %q: want one of %s", name, strings.Join(statusNames[:], ", "))
}

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStatus(string(text))
	return err
}
