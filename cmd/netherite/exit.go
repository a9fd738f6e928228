package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// The exit codes, part of the command's contract.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNotFound  = 3
	exitNotServed = 4
	exitTimedOut  = 5
	exitSignal    = 128 // and the signal's number: see interruption
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
	var signalled *interruption
	switch {
	case errors.As(err, &signalled):
		return signalled.code()
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &usage), errors.Is(err, engine.ErrInvalid):
		return exitUsage
	case errors.Is(err, engine.ErrDamaged), errors.Is(err, engine.ErrForeign), errors.Is(err, engine.ErrNewerFormat):
		return exitFailed // whatever else is under it, such as a file that is missing
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return exitNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimedOut
	case errors.Is(err, engine.ErrHeld), errors.Is(err, dirlock.ErrHeld), errors.Is(err, errNotServed), errors.Is(err, owner.ErrNoAnswer):
		return exitNotServed
	}
	return exitFailed
}
