package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/engine"
)

// dialFlags say how to reach a server.
type dialFlags struct {
	server    string
	keyFile   string
	ca        string
	cert, key string
}

func (f *dialFlags) add(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringVar(&f.server, "server", os.Getenv("NETHERITE_SERVER"), "gRPC address of a server, HOST:PORT, or https://HOST:PORT with TLS; also NETHERITE_SERVER")
	p.StringVar(&f.keyFile, "api-key-file", os.Getenv("NETHERITE_API_KEY_FILE"), "file with the API key to present; also NETHERITE_API_KEY_FILE, or the key itself in NETHERITE_API_KEY")
	p.StringVar(&f.ca, "tls-ca", os.Getenv("NETHERITE_TLS_CA"), "file of the certificates that sign the server's, PEM; default: those of the system")
	p.StringVar(&f.cert, "tls-cert", "", "file of a client certificate, PEM")
	p.StringVar(&f.key, "tls-key", "", "file of its key, PEM")
}

// secret is the API key, empty if there is none.
func (f *dialFlags) secret() (string, error) {
	if f.keyFile == "" {
		return strings.TrimSpace(os.Getenv("NETHERITE_API_KEY")), nil
	}
	b, err := os.ReadFile(f.keyFile)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// dial makes a connection, which is opened by its first call.
func (f *dialFlags) dial() (*grpc.ClientConn, error) {
	address, secure := strings.CutPrefix(f.server, "https://")
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	var creds credentials.TransportCredentials
	switch {
	case secure:
		t := &tls.Config{MinVersion: tls.VersionTLS13}
		if err := f.trust(t); err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(t)
	case f.ca != "" || f.cert != "" || f.key != "":
		return nil, usagef("--server %s: certificates need TLS: write https://%s", f.server, address)
	default:
		creds = insecure.NewCredentials()
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(creds))
}

func (f *dialFlags) trust(t *tls.Config) error {
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("read the certificates that sign the server's: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return usagef("--tls-ca %s: it has no certificates", f.ca)
		}
	}
	if f.cert == "" && f.key == "" {
		return nil
	}
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read the client certificate (--tls-cert, --tls-key): %w", err)
	}
	t.Certificates = []tls.Certificate{c}
	return nil
}

// call runs f with a connection, and a context that names the task hub.
func (f *dialFlags) call(ctx context.Context, hub string, run func(context.Context, *grpc.ClientConn) error) error {
	secret, err := f.secret()
	if err != nil {
		return err
	}
	conn, err := f.dial()
	if err != nil {
		return err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "taskhub", hub)
	if secret != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+secret)
	}
	return errors.Join(f.explain(run(ctx, conn)), conn.Close())
}

// explain turns an error of the protocol into one with the command's exit code.
func (f *dialFlags) explain(err error) error {
	if err == nil {
		return nil
	}
	text := status.Convert(err).Message()
	switch status.Code(err) {
	case codes.NotFound:
		return withCode{engine.ErrNotFound, "server " + f.server + ": " + text}
	case codes.InvalidArgument:
		return withCode{engine.ErrInvalid, "server " + f.server + ": " + text}
	case codes.Unavailable:
		return withCode{errNotServed, "server " + f.server + " does not answer: " + text}
	case codes.DeadlineExceeded:
		return withCode{context.DeadlineExceeded, "server " + f.server + " did not answer in time"}
	}
	return fmt.Errorf("server %s: %s", f.server, text)
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
