package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/nearest"
	"github.com/netherite-go/netherite/remote"
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

// inWords says what is wrong with the value of a flag as people do, not as the library
// does that could not read it.
func inWords(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	kind := bad.GetFlag().Value.Type()
	want, known := map[string]string{"int": "a whole number", "uint64": "a whole number from 0 on", "bool": "true or false", "duration": "a duration such as 90s or 36h"}[kind]
	switch {
	case !known:
		return err
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s: %s is beyond what a number can be here", bad.GetFlag().Name, bad.GetValue())
	}
	return fmt.Errorf("--%s: %q is not %s", bad.GetFlag().Name, bad.GetValue(), want)
}

// flagHint says which flag may be meant, and what tells about flags, if one is not known
// or not complete.
func flagHint(cmd *cobra.Command, err error) string {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && unknown.GetSpecifiedShortnames() == "" {
				names = append(names, f.Name)
			}
		})
		if best := nearest.Of(unknown.GetSpecifiedName(), names); best != "" {
			hint = "; there is --" + best
		}
	} else if _, ok := errors.AsType[*pflag.ValueRequiredError](err); !ok {
		return ""
	}
	return hint + "; see: " + cmd.CommandPath() + " --help"
}

// errNotServed: the directory is held by a hub that does not answer, or nobody
// runs the hub that the call needs.
var errNotServed = errors.New("nobody is running this hub")

// notFoundf is an error about something that is not there, with a text of its own.
func notFoundf(format string, args ...any) error {
	return withCode{os.ErrNotExist, fmt.Sprintf(format, args...)}
}

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
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, remote.ErrNoHub), errors.Is(err, os.ErrNotExist):
		return exitNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimedOut
	case errors.Is(err, engine.ErrHeld), errors.Is(err, dirlock.ErrHeld), errors.Is(err, errNotServed), errors.Is(err, owner.ErrNoAnswer):
		return exitNotServed
	}
	return exitFailed
}
