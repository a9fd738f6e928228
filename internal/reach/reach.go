// Package reach tells why a server cannot be reached, where waiting would not help.
package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What does not get better by waiting. The errors of Check wrap one of them.
var (
	// ErrNoHost says that no host has the name.
	ErrNoHost = errors.New("no host has this name")
	// ErrTLS says that the two sides do not agree on TLS: only one of them speaks
	// it, or the certificate is not trusted.
	ErrTLS = errors.New("no connection that both sides accept")
	// ErrStranger says that the server wants to be shown a certificate, or another one.
	ErrStranger = errors.New("the server wants to be shown a certificate that it trusts")
	// ErrPlain is an ErrTLS: the server does not speak it.
	ErrPlain = fmt.Errorf("%w: the server does not speak TLS, and this side was told to connect with it", ErrTLS)
)

// checkTime bounds a check.
const checkTime = 5 * time.Second

// Check connects to an address, HOST:PORT, in vain or not, with TLS if there is a
// configuration of it, and says why no connection will ever come about there; nil
// if one may, sooner or later. It does not look at addresses of another form, nor
// past a proxy of the environment.
func Check(ctx context.Context, address string, secure *tls.Config) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.Contains(address, ":/") || proxied(address) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return fmt.Errorf("%w: %q", ErrNoHost, dns.Name)
		}
		return nil
	}
	defer conn.Close()
	if secure == nil {
		return plain(ctx, conn)
	}
	return secured(ctx, conn, secure, host)
}

// proxied reports whether connections to an address go by way of a proxy, which
// may know names that are not known here.
func proxied(address string) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: address}})
	return proxy != nil || err != nil
}

// plain refuses a server that speaks TLS. Whom it speaks for does not matter:
// nothing is sent that is worth anything.
func plain(ctx context.Context, conn net.Conn) error {
	err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}).HandshakeContext(ctx)
	if err == nil || refused(err) {
		return fmt.Errorf("%w: the server speaks TLS, and this side was told to connect without it", ErrTLS)
	}
	return nil
}

// secured refuses a server without TLS, and one that is not trusted.
func secured(ctx context.Context, conn net.Conn, c *tls.Config, host string) error {
	c = c.Clone()
	c.NextProtos = []string{"h2"}
	if c.ServerName == "" {
		c.ServerName = host
	}
	over := tls.Client(conn, c)
	err := over.HandshakeContext(ctx)
	if err == nil {
		return recognized(ctx, over)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return ErrPlain
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: the server's certificate is not trusted here: %w", ErrTLS, bad.Err)
	}
	if refused(err) && slices.ContainsFunc(forGood, func(text string) bool { return strings.HasSuffix(err.Error(), text) }) {
		return fmt.Errorf("%w: the server does not accept how TLS was begun: %w", ErrTLS, err)
	}
	return nil
}

// recognized refuses a server that does not know the client's certificate. In TLS
// 1.3 it says so where it would begin to speak.
func recognized(ctx context.Context, conn net.Conn) error {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // a connection without deadlines ends with its server
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && refused(err) {
		return fmt.Errorf("%w: %w", ErrStranger, err)
	}
	return nil
}

// forGood are the refusals of crypto/tls that stay, whatever certificate the server
// has. A server that has none yet refuses in other words.
var forGood = []string{"protocol version not supported", "handshake failure", "no application protocol"}

// refused reports whether the other side has said no in the words of TLS.
func refused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}
