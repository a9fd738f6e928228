package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/loopback"
	"github.com/netherite-go/netherite/internal/reach"
	"github.com/netherite-go/netherite/remote"
)

// dial makes a connection for calls that package remote does not have; its first
// call opens it.
func (s *serverAt) dial() (*grpc.ClientConn, error) {
	secure, err := s.secure()
	if err != nil {
		return nil, err
	}
	address, encrypted := s.address()
	creds := insecure.NewCredentials()
	if encrypted {
		creds = credentials.NewTLS(secure)
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(creds))
}

// call runs f with a connection, and a context that names the task hub.
func (s *serverAt) call(ctx context.Context, hub string, run func(context.Context, *grpc.ClientConn) error) error {
	secret, err := s.secret()
	if err != nil {
		return err
	}
	if address, encrypted := s.address(); secret != "" && !encrypted && !s.Insecure && !loopback.Address(address) {
		return usagef("--server %s: the API key would be sent there for everybody on the way to read: write https://%s, or type --insecure", s.Server, address)
	}
	conn, err := s.dial()
	if err != nil {
		return err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "taskhub", hub)
	if secret != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+secret)
	}
	return errors.Join(s.explain(ctx, run(ctx, conn)), conn.Close())
}

// explain turns an error of the protocol into one with the command's exit code.
func (s *serverAt) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text := status.Convert(err).Message()
	if web := reach.Web(text); web != nil {
		return s.unreached(fmt.Errorf("connect to the server at %s: %w: %w", s.Server, remote.ErrNotAServer, web))
	}
	switch status.Code(err) {
	case codes.NotFound:
		return withCode{engine.ErrNotFound, "server " + s.Server + ": " + text}
	case codes.InvalidArgument:
		return withCode{engine.ErrInvalid, "server " + s.Server + ": " + text}
	case codes.Unauthenticated:
		if s.anonymous() {
			text += nameAKey
		}
	case codes.Unavailable:
		if why := s.inVain(ctx); why != nil {
			return s.unreached(fmt.Errorf("connect to the server at %s: %w", s.Server, why))
		}
		return withCode{errNotServed, "server " + s.Server + " does not answer: " + text}
	case codes.Unimplemented:
		text = "it does not have this call, which those have that keep several task hubs (netherite server and netherite dev): " +
			"a program that serves a hub of its own has that one, and an older server may lack it (" + text + ")"
	case codes.DeadlineExceeded:
		return withCode{context.DeadlineExceeded, "server " + s.Server + " did not answer in time"}
	}
	return fmt.Errorf("server %s: %s", s.Server, text)
}

// inVain says why waiting for the server would be in vain; nil if it may help.
func (s *serverAt) inVain(ctx context.Context) error {
	secure, err := s.secure()
	if err != nil {
		return err
	}
	address, encrypted := s.address()
	if !encrypted {
		secure = nil // it is for the HTTP API
	}
	if err := reach.Check(ctx, address, secure); errors.Is(err, reach.ErrNoHost) {
		return fmt.Errorf("%w: %w", remote.ErrNoServer, err)
	} else {
		return err
	}
}

// withCode is an error with a text of its own that exits as another does.
type withCode struct {
	kind error
	text string
}

// Error implements error.
func (e withCode) Error() string { return e.text }

// Unwrap returns the error that decides the exit code.
func (e withCode) Unwrap() error { return e.kind }
