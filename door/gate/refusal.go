package gate

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Refusal is why a caller does not get in.
type Refusal struct {
	Code codes.Code
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// GRPCStatus is what package status makes of it.
func (r *Refusal) GRPCStatus() *status.Status { return status.New(r.Code, r.Text) }

// HTTP is the status code over HTTP.
func (r *Refusal) HTTP() int {
	switch r.Code {
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.Unimplemented:
		return http.StatusNotFound
	}
	return http.StatusForbidden
}

func refuse(code codes.Code, format string, args ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// refusalOf is what an authenticator's error tells the caller.
func refusalOf(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return &Refusal{codes.Unauthenticated, err.Error()}
}
