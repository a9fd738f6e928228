// Package kind makes errors of one layer those of the next.
package kind

import (
	"errors"
	"fmt"
	"strings"
)

// Of makes an error one of a kind as well. Its text names the kind once, also where
// two layers have the same words for it.
func Of(kind, err error) error {
	switch {
	case errors.Is(err, kind):
		return err
	case strings.Contains(err.Error(), kind.Error()):
		return &both{kind, err}
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// both is an error whose text has the kind's already.
type both struct{ kind, err error }

func (b *both) Error() string   { return b.err.Error() }
func (b *both) Unwrap() []error { return []error{b.kind, b.err} }
