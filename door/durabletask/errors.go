package durabletask

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/engine"
)

// statuses are the codes of the contract's errors. UNAVAILABLE is only for what
// goes away by itself: SDKs send the same request again then. UNKNOWN and INTERNAL
// make some of them repeat completions, so no answer to a completion has these.
var statuses = []struct {
	err  error
	code codes.Code
}{
	{engine.ErrNotFound, codes.NotFound},
	{engine.ErrExists, codes.AlreadyExists},
	{engine.ErrNotFailed, codes.FailedPrecondition},
	{engine.ErrEnded, codes.FailedPrecondition},
	{engine.ErrReplaced, codes.FailedPrecondition},
	{engine.ErrStale, codes.FailedPrecondition},
	{engine.ErrQuarantined, codes.FailedPrecondition},
	{engine.ErrOutcomeUnknown, codes.Aborted},
	{engine.ErrInvalid, codes.InvalidArgument},
	{engine.ErrTooLarge, codes.InvalidArgument},
	{engine.ErrBusy, codes.ResourceExhausted},
	{engine.ErrDiskFull, codes.ResourceExhausted},
	{engine.ErrDamaged, codes.DataLoss},
	{engine.ErrUnavailable, codes.Unavailable},
	{engine.ErrClosed, codes.Unavailable},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// statusOf turns an error of the contract into one of the protocol.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return withCode(status.New(s.code, err.Error()), err)
		}
	}
	return status.Error(codes.Internal, err.Error())
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
