package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/internal/reach"
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
	p.StringVar(&s.Hub, "hub", "", "task hub of the server, or below --dir; the default one if empty")
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
	for _, name := range []string{"http", "api-key-file", "tls-cert", "tls-key", "tls-ca"} {
		if cmd.Flags().Changed(name) {
			return nil, usagef("--%s is about a server: name it with --server, or by a context", name)
		}
	}
	return nil, nil
}

// secret is the API key; empty if there is none.
func (s *serverAt) secret() (string, error) {
	from, text := "NETHERITE_API_KEY", os.Getenv("NETHERITE_API_KEY")
	if s.APIKeyFile != "" {
		from = "--api-key-file " + s.APIKeyFile
		b, err := os.ReadFile(s.APIKeyFile)
		if err != nil {
			return "", usagef("%s: %w", from, causeOf(err))
		}
		text = strings.TrimPrefix(string(b), "\ufeff") // as some editors begin a file
	}
	key := strings.TrimSpace(text)
	if why := notAKey(key); why != "" && (key != "" || s.APIKeyFile != "") {
		return "", usagef("%s %s", from, why)
	}
	return key, nil
}

// causeOf is why a file could not be read, for who names the file already.
func causeOf(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// maxKey is more than the header that a key is sent in can have on most servers.
const maxKey = 16 << 10

// notAKey says why a text cannot be sent as an API key, without repeating it; empty if it
// can.
func notAKey(text string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	switch lines := strings.Count(text, "\n") + 1; {
	case text == "":
		return "is empty: it is to have the key, as netherite key create has printed it"
	case len(text) > maxKey:
		return fmt.Sprintf("has %d bytes, which no key has", len(text))
	case lines > 1:
		return fmt.Sprintf("has %d lines: a key is one", lines)
	case !strings.ContainsFunc(text, odd):
		return ""
	case !strings.ContainsFunc(strings.ReplaceAll(text, " ", ""), odd):
		return "has a space in it: a key is one word"
	}
	return "has a character that no key has: a key is printable ASCII"
}

// nameAKey is what who has named nobody may do where somebody is asked for: the
// server speaks of headers.
const nameAKey = ": name the file of an API key with --api-key-file"

// anonymous reports whether nothing says who calls.
func (s *serverAt) anonymous() bool {
	key, err := s.secret()
	return err == nil && key == "" && s.TLSCert == ""
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
			return nil, usagef("read the certificates that sign the server's: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--tls-ca %s: it has no certificates", s.TLSCA)
		}
	}
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return t, nil
	case s.TLSKey == "":
		return nil, usagef("--tls-cert %s needs its key: name it with --tls-key", s.TLSCert)
	case s.TLSCert == "":
		return nil, usagef("--tls-key %s needs its certificate: name it with --tls-cert", s.TLSKey)
	}
	c, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, usagef("read the client certificate (--tls-cert, --tls-key): %w", err)
	}
	t.Certificates = []tls.Certificate{c}
	return t, nil
}

// connect connects to the server, within ctx.
func (s *serverAt) connect(ctx context.Context) (*target, error) {
	if err := checkHTTP(s.HTTP); err != nil {
		return nil, err
	}
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
	patience := serverPatience
	if left := untilDeadline(ctx); left > 0 {
		patience = min(patience, left)
	}
	hub, err := remote.Dial(address, append(opts, remote.Patience(patience))...)
	if err != nil {
		return nil, s.unreached(err)
	}
	t := &target{Client: hub.Engine(), served: true, close: hub.Close}
	if s.HTTP != "" {
		t.Client = toldByHTTP{t.Client, &changesAt{url: strings.TrimSuffix(s.HTTP, "/"), hub: s.Hub, key: key, tls: secure}}
	}
	return t, nil
}

// serverPatience is how long a server that does not answer may take to be back, as
// one that is being started again does: a person waits for the command.
const serverPatience = 5 * time.Second

// unreached gives an error of a connection the exit code of a hub that nobody runs,
// and says what to write where TLS is the reason.
func (s *serverAt) unreached(err error) error {
	address, encrypted := s.address()
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case errors.Is(err, remote.ErrTLS) && !encrypted:
		return withCode{errNotServed, fmt.Sprintf("%v: write --server https://%s", err, address)}
	case errors.Is(err, reach.ErrPlain):
		return withCode{errNotServed, fmt.Sprintf("%v: write --server %s", err, address)}
	case unknown:
		return withCode{errNotServed, fmt.Sprintf("%v: name the file of who has signed it with --tls-ca", err)}
	case errors.Is(err, reach.ErrStranger) && s.TLSCert == "":
		return fmt.Errorf("%w: name one with --tls-cert and --tls-key", err)
	case errors.Is(err, remote.ErrUnauthenticated) && s.anonymous():
		return fmt.Errorf("%w%s", err, nameAKey)
	case errors.Is(err, remote.ErrTLS), errors.Is(err, remote.ErrNoServer), errors.Is(err, remote.ErrNotAServer):
		return withCode{errNotServed, err.Error()}
	}
	return err
}
