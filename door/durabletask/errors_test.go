package durabletask

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/engine"
)

func TestEachErrorOfTheContractHasAStatusThatSaysItsCode(t *testing.T) {
	for _, err := range []error{
		engine.ErrNotFound, engine.ErrExists, engine.ErrReplaced, engine.ErrEnded, engine.ErrNotFailed, engine.ErrInvalid, engine.ErrTooLarge, engine.ErrClosed,
		engine.ErrHeld, engine.ErrBusy, engine.ErrDiskFull, engine.ErrUnavailable, engine.ErrOutcomeUnknown, engine.ErrDamaged, engine.ErrNewerFormat,
		engine.ErrForeign, engine.ErrStale, engine.ErrQuarantined, context.DeadlineExceeded, context.Canceled,
	} {
		s := status.Convert(statusOf(fmt.Errorf("start: %w", err)))
		if s.Code() == codes.Internal || s.Code() == codes.Unknown || len(s.Details()) != 1 {
			t.Errorf("%v is %v with %v", err, s.Code(), s.Details())
			continue
		}
		if x, ok := s.Details()[0].(*extra.Error); !ok || x.GetCode() != engine.CodeOf(err) {
			t.Errorf("%v has the detail %v", err, s.Details()[0])
		}
	}
	if code := status.Code(statusOf(errors.New("else"))); code != codes.Internal {
		t.Errorf("another error is %v", code)
	}
}

func TestWhatSomebodyHasToMendIsNotUnavailable(t *testing.T) {
	for reason, want := range map[error]codes.Code{
		engine.ErrDamaged: codes.DataLoss, engine.ErrNewerFormat: codes.FailedPrecondition, engine.ErrForeign: codes.FailedPrecondition, engine.ErrHeld: codes.Unavailable,
	} {
		parked := fmt.Errorf("%w: partition 3 is parked: %w", engine.ErrUnavailable, reason)
		for _, err := range []error{parked, &engine.PartialError{Partitions: []int{3}, Reason: parked}} {
			if got := status.Code(statusOf(err)); got != want {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
	}
}
