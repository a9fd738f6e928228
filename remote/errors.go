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
)

// Errors of this package, beside those of package engine. They are wrapped with
// what was attempted; test with errors.Is.
var (
	// ErrNoServer says that nothing was reached at an address.
	ErrNoServer = errors.New("no server was reached")
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
	case e != nil:
		return fmt.Errorf("%w: %s", e, s.Message())
	}
	return fmt.Errorf("the server at %s: %s: %s", l.address, s.Code(), s.Message())
}

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
	switch s := status.Convert(err); s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		switch {
		case detail(s) != nil:
		case strings.Contains(s.Message(), "looked like an HTTP/1.1 header"):
			return fmt.Errorf("%w: it answers as a web server does", ErrNotAServer)
		case strings.Contains(s.Message(), "tls: certificate required"):
			return fmt.Errorf("%w: it wants to be shown a certificate: %s", ErrUnauthenticated, s.Message())
		case l.plain && strings.Contains(s.Message(), "server preface"):
			return fmt.Errorf("%w: it may want a connection with TLS: %s", ErrNoServer, s.Message())
		default:
			return fmt.Errorf("%w: %s", ErrNoServer, s.Message())
		}
	case codes.Unknown, codes.Internal, codes.Unimplemented: // something else speaks HTTP there
		return fmt.Errorf("%w: %s", ErrNotAServer, s.Message())
	}
	return l.explain(err)
}

// incomplete is the error of an answer that lacks a part.
func incomplete(x *extra.Error) error {
	if x == nil {
		return nil
	}
	return x.Err(x.GetMessage())
}
