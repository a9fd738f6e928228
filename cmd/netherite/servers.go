package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/remote"
	"github.com/spf13/cobra"
)

// serverAt says which server is meant and how it is reached. It is what a context
// keeps.
type serverAt struct {
	Server     string `json:"server"`
	HTTP       string `json:"http,omitempty"`
	Hub        string `json:"hub,omitempty"`
	APIKeyFile string `json:"apiKeyFile,omitempty"`
	TLSCA      string `json:"tlsCA,omitempty"`
	TLSCert    string `json:"tlsCert,omitempty"`
	TLSKey     string `json:"tlsKey,omitempty"`
	Insecure   bool   `json:"insecure,omitempty"`
}

// add adds the flags of a server's hub.
func (s *serverAt) add(cmd *cobra.Command) {
	s.addReach(cmd)
	p := cmd.PersistentFlags()
	p.StringVar(&s.HTTP, "http", "", "URL of the server's HTTP API, for what is told live: http://HOST:PORT")
	p.StringVar(&s.Hub, "hub", "", "task hub of the server; its default one if empty")
}

// addReach adds the flags that say how a server is reached.
func (s *serverAt) addReach(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringVar(&s.Server, "server", "", "gRPC address of a server, HOST:PORT, or https://HOST:PORT with TLS; also NETHERITE_SERVER")
	p.StringVar(&s.APIKeyFile, "api-key-file", "", "file with the API key to present; also NETHERITE_API_KEY_FILE, or the key itself in NETHERITE_API_KEY")
	p.StringVar(&s.TLSCA, "tls-ca", "", "file of the certificates that sign the server's, PEM; default: those of the system")
	p.StringVar(&s.TLSCert, "tls-cert", "", "file of a client certificate, PEM")
	p.StringVar(&s.TLSKey, "tls-key", "", "file of its key, PEM")
	p.BoolVar(&s.Insecure, "insecure", false, "send credentials to another machine without TLS, where everybody on the way can read them")
}

// or fills in what is not set from other sources: variables, or a context.
func (s *serverAt) or(o serverAt) {
	s.Server, s.HTTP, s.Hub = cmp.Or(s.Server, o.Server), cmp.Or(s.HTTP, o.HTTP), cmp.Or(s.Hub, o.Hub)
	s.APIKeyFile, s.TLSCA = cmp.Or(s.APIKeyFile, o.APIKeyFile), cmp.Or(s.TLSCA, o.TLSCA)
	s.TLSCert, s.TLSKey, s.Insecure = cmp.Or(s.TLSCert, o.TLSCert), cmp.Or(s.TLSKey, o.TLSKey), s.Insecure || o.Insecure
}

// serverInEnvironment is the server that variables name.
func serverInEnvironment() serverAt {
	return serverAt{Server: os.Getenv("NETHERITE_SERVER"), APIKeyFile: os.Getenv("NETHERITE_API_KEY_FILE"), TLSCA: os.Getenv("NETHERITE_TLS_CA")}
}

// servers are the flags that say whether a server is meant, and which.
type servers struct {
	at      serverAt
	context string
}

// addContext adds the flag that names a context.
func (w *servers) addContext(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&w.context, "context", "", "the server that netherite context keeps under this name; also NETHERITE_CONTEXT")
	_ = cmd.RegisterFlagCompletionFunc("context", suggestContext)
}

// resolve decides which server is meant: the flags', the variables', or the current
// context's; nil if none is. A directory that is named, by the flag of that name, is
// meant before a variable or a context.
func (w *servers) resolve(cmd *cobra.Command, dir string) (*serverAt, error) {
	s, flag := w.at, cmd.Flags().Lookup(dir)
	named := flag.Changed
	if s.Server != "" && named {
		return nil, usagef("--server %s is one place, --%s %s another: leave one of them out", s.Server, dir, flag.Value)
	}
	if w.context != "" && (s.Server != "" || named) {
		return nil, usagef("--context %s says where it is: leave --server and --%s out", w.context, dir)
	}
	if s.Server == "" && !named {
		c, err := currentContext(w.context)
		switch {
		case err != nil:
			return nil, err
		case c != nil && (w.context != "" || os.Getenv("NETHERITE_SERVER") == ""):
			s.or(*c)
		}
	}
	if !named {
		s.or(serverInEnvironment())
	}
	if s.Server != "" {
		return &s, nil
	}
	for _, name := range []string{"hub", "http", "api-key-file", "tls-cert", "tls-key", "tls-ca"} {
		if cmd.Flags().Changed(name) {
			return nil, usagef("--%s is about a server: name it with --server, or by a context", name)
		}
	}
	return nil, nil
}

// secret is the API key; empty if there is none.
func (s *serverAt) secret() (string, error) {
	if s.APIKeyFile == "" {
		return strings.TrimSpace(os.Getenv("NETHERITE_API_KEY")), nil
	}
	b, err := os.ReadFile(s.APIKeyFile)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// address is HOST:PORT of the gRPC door, and whether it speaks TLS.
func (s *serverAt) address() (address string, encrypted bool) {
	address, encrypted = strings.CutPrefix(s.Server, "https://")
	return strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/"), encrypted
}

// secure is how TLS is done; nil if it is not.
func (s *serverAt) secure() (*tls.Config, error) {
	if !strings.HasPrefix(s.Server, "https://") && !strings.HasPrefix(s.HTTP, "https://") {
		if s.TLSCA != "" || s.TLSCert != "" || s.TLSKey != "" {
			return nil, usagef("the server %s: certificates need TLS: write https://%s", s.Server, strings.TrimPrefix(s.Server, "http://"))
		}
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.TLSCA != "" {
		pem, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("read the certificates that sign the server's: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--tls-ca %s: it has no certificates", s.TLSCA)
		}
	}
	if s.TLSCert == "" && s.TLSKey == "" {
		return t, nil
	}
	c, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate (--tls-cert, --tls-key): %w", err)
	}
	t.Certificates = []tls.Certificate{c}
	return t, nil
}

// connect connects to the server, within ctx.
func (s *serverAt) connect(ctx context.Context) (*target, error) {
	secure, err := s.secure()
	if err != nil {
		return nil, err
	}
	key, err := s.secret()
	if err != nil {
		return nil, err
	}
	address, encrypted := s.address()
	opts := []netherite.Option{remote.TaskHub(s.Hub)}
	if encrypted {
		opts = append(opts, remote.TLS(secure))
	}
	if key != "" {
		opts = append(opts, remote.Key(key))
	}
	if s.Insecure {
		opts = append(opts, remote.Insecure())
	}
	if left := untilDeadline(ctx); left > 0 {
		opts = append(opts, remote.Patience(left))
	}
	hub, err := remote.Dial(address, opts...)
	if err != nil {
		return nil, reached(err)
	}
	t := &target{Client: hub.Engine(), served: true, close: hub.Close}
	if s.HTTP != "" {
		t.Client = toldByHTTP{t.Client, &changesAt{url: strings.TrimSuffix(s.HTTP, "/"), hub: s.Hub, key: key, tls: secure}}
	}
	return t, nil
}

// reached gives an error of a connection the exit code of a hub that nobody runs,
// or of one that there is not.
func reached(err error) error {
	if errors.Is(err, remote.ErrNoServer) || errors.Is(err, remote.ErrNotAServer) {
		return fmt.Errorf("%w: %w", err, errNotServed)
	}
	return err
}
