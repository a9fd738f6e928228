package gate

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// Credentials are what a caller presents.
type Credentials struct {
	Ctx    context.Context
	Token  string                // of the header Authorization: Bearer, or an API key
	Chains [][]*x509.Certificate // of the client's certificate, verified by TLS
	Now    time.Time
	// Quick asks for an answer at once. Who would have to ask somebody else first
	// returns errLater, or errOneOf if it asks of one caller only what others would
	// have to ask for as well.
	Quick bool
}

// Authenticator accepts some kind of credentials. It returns errNotMine for those
// of another kind. What an error says goes to the caller and into the log: it must
// not repeat secrets.
type Authenticator interface {
	Authenticate(*Credentials) (*Principal, error)
}

var (
	errNotMine = errors.New("no credentials of that kind")
	errLater   = errors.New("that cannot be said at once")
	errOneOf   = errors.New("that cannot be said at once, for this one of several") // who ask the same
	// ErrUnauthenticated refuses a caller who has not said who it is.
	ErrUnauthenticated = &Refusal{codes.Unauthenticated, "credentials are missing: an API key or a token in the header Authorization, or a client certificate"}
)

// authenticate asks one authenticator after the other. Without any, everybody is
// let in: the listener is reachable from this machine alone, or the operator said
// so.
func (g *Gate) authenticate(c *Credentials) (*Principal, error) {
	if len(g.opts.Authenticators) == 0 {
		return everybody, nil
	}
	c.Now = g.opts.Clock.Wall()
	for _, a := range g.opts.Authenticators {
		p, err := a.Authenticate(c)
		if !errors.Is(err, errNotMine) {
			return p, err
		}
	}
	if c.Token != "" {
		return nil, refuse(codes.Unauthenticated, "the credentials are of no kind that this server accepts")
	}
	return nil, ErrUnauthenticated
}

// bearer takes the token out of a header.
func bearer(header string) string {
	if len(header) > 7 && strings.EqualFold(header[:7], "bearer ") {
		return strings.TrimSpace(header[7:])
	}
	return strings.TrimSpace(header)
}
