package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// The exit codes, part of the command's contract.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNotFound  = 3
	exitNotServed = 4
	exitTimedOut  = 5
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// Unwrap returns what was wrong.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errNotServed: the directory is held by a hub that does not answer, or nobody
// runs the hub that the call needs.
var errNotServed = errors.New("nobody is running this hub")

// quiet carries an exit code whose reason has been printed already.
type quiet struct{ code int }

// Error implements error.
func (q *quiet) Error() string { return fmt.Sprintf("exit code %d", q.code) }

// exitCode maps an error to the contract's exit codes.
func exitCode(err error) int {
	var usage usageError
	var silent *quiet
	switch {
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &usage), errors.Is(err, engine.ErrInvalid), isCobraUsage(err):
		return exitUsage
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return exitNotFound
	case errors.Is(err, engine.ErrHeld), errors.Is(err, errNotServed):
		return exitNotServed
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimedOut
	}
	return exitFailed
}

// isCobraUsage recognizes the mistakes that cobra reports without a type.
func isCobraUsage(err error) bool {
	for _, prefix := range []string{"unknown command", "accepts ", "requires ", "required flag", "unknown flag", "unknown shorthand", "invalid argument"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}
