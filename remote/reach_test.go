package remote_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
)

// namesOfNobody makes each name one that no host has, for as long as the test runs.
func namesOfNobody(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(query)
			if err != nil {
				return
			}
			query[2], query[3] = query[2]|0x80, 0x83 // an answer, recursion available, no such name
			_, _ = c.WriteTo(query[:n], from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = c.Close()
	})
}

// signedServer serves with a certificate, and returns where, and the authority that
// has signed it.
func signedServer(t *testing.T) (address string, roots *x509.CertPool) {
	t.Helper()
	_, signer := certificate(t, "ca", nil)
	own, _ := certificate(t, "server", &signer)
	s, err := server.Start(server.Config{GRPC: []string{"127.0.0.1:0"}, Hub: "default", Cert: own[0], Key: own[1]}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	if err := s.Create(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(signer.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(authority)
	return s.Place().GRPC[0], roots
}

// TestDialDoesNotWaitForWhatDoesNotGetBetterByWaiting: its patience is far more than
// the test has.
func TestDialDoesNotWaitForWhatDoesNotGetBetterByWaiting(t *testing.T) {
	namesOfNobody(t)
	secure, roots := signedServer(t)
	plain := sdktest.Start(t).GRPC
	for _, c := range []struct {
		name, address string
		want          error
		says          string
		opts          []netherite.Option
	}{
		{"no such host", "nobody.example:4001", remote.ErrNoServer, `no host has this name: "nobody.example"`, nil},
		{"no such host, with TLS", "nobody.example:4001", remote.ErrNoServer, "no host has this name", []netherite.Option{remote.TLS(nil)}},
		{"no such port", "127.0.0.1:70000", engine.ErrInvalid, "no address of a server", nil},
		{"a URL", "http://127.0.0.1:4001", engine.ErrInvalid, "write 127.0.0.1:4001", nil},
		{"a server with TLS, dialed without", secure, remote.ErrTLS, "the server speaks TLS", nil},
		{"a server without TLS, dialed with", plain, remote.ErrTLS, "the server does not speak TLS", []netherite.Option{remote.TLS(nil)}},
		{"an authority that is not known", secure, remote.ErrTLS, "signed by unknown authority", []netherite.Option{remote.TLS(nil)}},
		{"a certificate of another name", secure, remote.ErrTLS, "not elsewhere", []netherite.Option{remote.TLS(&tls.Config{RootCAs: roots, ServerName: "elsewhere"})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			hub, err := remote.Dial(c.address, append(c.opts, remote.Patience(time.Hour))...)
			if err == nil {
				_ = hub.Close(context.Background())
				t.Fatal("it was let in")
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.address) {
				t.Errorf("got error %q, want a %q that says %q", err, c.want, c.says)
			}
			t.Log(err, time.Since(began))
		})
	}
	hub := dialed(t, secure, remote.TLS(&tls.Config{RootCAs: roots}))
	if err := hub.Health(); err != nil {
		t.Error(err)
	}
}

func TestDialWaitsForAServerThatIsYetToStart(t *testing.T) {
	s := sdktest.Start(t)
	s.Kill(t)
	done := make(chan error, 1)
	go func() {
		hub, err := remote.Dial(s.GRPC, remote.Patience(testTime))
		if err == nil {
			err = hub.Close(context.Background())
		}
		done <- err
	}()
	s.Restart(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
