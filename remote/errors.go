package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/reach"
)

// Errors of this package, beside those of package engine. They are wrapped with
// what was attempted; test with errors.Is.
var (
	// ErrNoServer says that nothing was reached at an address.
	ErrNoServer = errors.New("no server was reached")
	// ErrTLS says that the server cannot be spoken to in this way: only one of the two
	// sides speaks TLS, or the server's certificate is not trusted.
	ErrTLS = reach.ErrTLS
	// ErrNotAServer says that what answers does not speak the protocol.
	ErrNotAServer = errors.New("what answers there does not speak the Durable Task protocol: is it the gRPC address of a server?")
	// ErrNoHub says that the server has no task hub of that name.
	ErrNoHub = extra.ErrNoHub
	// ErrUnauthenticated says that the server does not accept the credentials, or
	// wants some.
	ErrUnauthenticated = errors.New("the server does not accept the credentials")
	// ErrForbidden says that the server does not allow it with these credentials.
	ErrForbidden = errors.New("the server does not allow it")
)

var errClosed = fmt.Errorf("the connection has been closed: %w", engine.ErrClosed)

// contract are the errors of the contract for codes that come without a detail, as
// from a server that is not of this project.
var contract = map[codes.Code]error{
	codes.NotFound:          engine.ErrNotFound,
	codes.AlreadyExists:     engine.ErrExists,
	codes.InvalidArgument:   engine.ErrInvalid,
	codes.ResourceExhausted: engine.ErrBusy,
	codes.Unavailable:       engine.ErrUnavailable,
	codes.DataLoss:          engine.ErrDamaged,
	codes.Unauthenticated:   ErrUnauthenticated,
	codes.PermissionDenied:  ErrForbidden,
	codes.Unimplemented:     ErrNotAServer,
	codes.DeadlineExceeded:  context.DeadlineExceeded,
	codes.Canceled:          context.Canceled,
}

// explain turns the error of a call into one of the contract.
func (l *link) explain(err error) error {
	if l.ctx.Err() != nil {
		return errClosed
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	if x := detail(s); x != nil {
		return x.Err(s.Message())
	}
	switch e := contract[s.Code()]; {
	case e != nil && s.Message() == e.Error():
		return e
	case s.Code() == codes.ResourceExhausted: // the server's own limits, which are no hub's
		return &limitError{s.Message()}
	case e != nil:
		return fmt.Errorf("%w: %s", e, s.Message())
	}
	return fmt.Errorf("the server at %s: %s: %s", l.address, s.Code(), s.Message())
}

// limitError is engine.ErrBusy, for a reason of which the server says what it is.
type limitError struct{ says string }

func (e *limitError) Error() string { return e.says }

// Unwrap says what kind of error it is.
func (e *limitError) Unwrap() error { return engine.ErrBusy }

// attempted says what was attempted, unless the error does so itself, as that of a
// hub does.
func attempted(what string, err error) error {
	if strings.HasPrefix(err.Error(), what+": ") {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unreached describes why a server cannot be reached.
func (l *link) unreached(err error) error {
	if web := reach.Web(status.Convert(err).Message()); web != nil {
		return fmt.Errorf("%w: %w", ErrNotAServer, web)
	}
	switch s := status.Convert(err); s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		if detail(s) == nil {
			return fmt.Errorf("%w: %s", ErrNoServer, s.Message())
		}
	case codes.Unknown, codes.Internal, codes.Unimplemented: // something else speaks HTTP there
		return fmt.Errorf("%w: %s", ErrNotAServer, s.Message())
	}
	return l.explain(err)
}

// hopeless says why waiting for the server would be in vain; nil if it may help.
func (l *link) hopeless(ctx context.Context) error {
	if !l.direct {
		return nil
	}
	err := reach.Check(ctx, l.address, l.tls)
	switch {
	case errors.Is(err, reach.ErrNoHost):
		return fmt.Errorf("%w: %w", ErrNoServer, err)
	case errors.Is(err, reach.ErrStranger):
		return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return err
}

// incomplete is the error of an answer that lacks a part.
func incomplete(x *extra.Error) error {
	if x == nil {
		return nil
	}
	return x.Err(x.GetMessage())
}
