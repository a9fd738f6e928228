package durabletask

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/engine"
)

// statuses are the protocol's codes of the contract's. UNAVAILABLE is only for what
// goes away by itself: SDKs send the same request again then. UNKNOWN and INTERNAL
// make some of them repeat completions, so no answer to a completion has these.
var statuses = map[string]codes.Code{
	"not-found":       codes.NotFound,
	"exists":          codes.AlreadyExists,
	"replaced":        codes.FailedPrecondition,
	"ended":           codes.FailedPrecondition,
	"not-failed":      codes.FailedPrecondition,
	"invalid":         codes.InvalidArgument,
	"too-large":       codes.InvalidArgument,
	"closed":          codes.Unavailable,
	"busy":            codes.ResourceExhausted,
	"disk-full":       codes.ResourceExhausted,
	"outcome-unknown": codes.Aborted,
	"damaged":         codes.DataLoss,
	"newer-format":    codes.FailedPrecondition,
	"foreign":         codes.FailedPrecondition,
	"stale":           codes.FailedPrecondition,
	"quarantined":     codes.FailedPrecondition,
	"unavailable":     codes.Unavailable,
	"held":            codes.Unavailable,
	"timeout":         codes.DeadlineExceeded,
	"canceled":        codes.Canceled,
}

// statusOf turns an error of the contract into one of the protocol.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	if code, ok := statuses[engine.CodeOf(err)]; ok {
		return withCode(status.New(code, err.Error()), err)
	}
	return status.Error(codes.Internal, err.Error())
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
