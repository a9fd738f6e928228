package owner

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/engine"
)

// errorsOfTheContract are all that there are.
var errorsOfTheContract = []error{
	engine.ErrNotFound, engine.ErrExists, engine.ErrReplaced, engine.ErrEnded, engine.ErrNotFailed, engine.ErrInvalid, engine.ErrTooLarge, engine.ErrClosed,
	engine.ErrHeld, engine.ErrBusy, engine.ErrDiskFull, engine.ErrUnavailable, engine.ErrOutcomeUnknown, engine.ErrDamaged, engine.ErrNewerFormat,
	engine.ErrForeign, engine.ErrStale, engine.ErrQuarantined, context.DeadlineExceeded, context.Canceled,
}

func TestTheOwnersSocketAndTheServerGiveEachErrorTheSameCode(t *testing.T) {
	for _, one := range errorsOfTheContract {
		for _, other := range errorsOfTheContract {
			err := fmt.Errorf("partition 3 is parked: %w: %w", one, other)
			for _, err := range []error{err, &engine.PartialError{Partitions: []int{3}, Reason: err}} {
				here, there := encodeError(err), extra.Of(err)
				if here.Code != there.GetCode() || here.Code == internal {
					t.Errorf("%v is %q at the owner's socket and %q at a server", err, here.Code, there.GetCode())
				}
				want := engine.OfCode(here.Code)
				if a, b := decodeError(here), there.Err(err.Error()); !errors.Is(a, want) || !errors.Is(b, want) || a.Error() != b.Error() {
					t.Errorf("%v arrives as %v and as %v", err, a, b)
				}
			}
		}
	}
}
