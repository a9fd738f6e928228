package main

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/server"
)

// TestAServerThatCannotBeReachedIsNamedAtOnceWithTheReason: for TLS, with what to
// write instead. The timeout is far more than the test has.
func TestAServerThatCannotBeReachedIsNamedAtOnceWithTheReason(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	plain := s.Place().GRPC[0]
	other := httptest.NewUnstartedServer(nil)
	other.EnableHTTP2 = true
	other.StartTLS()
	t.Cleanup(other.Close)
	secure := other.Listener.Addr().String()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nothing := l.Addr().String()
	_ = l.Close()
	locked := tlsServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"ExceptionMessage":"credentials are missing"}`)
	})
	website := tlsServer(t, nil)
	overPlain := httptest.NewServer(nil)
	t.Cleanup(overPlain.Close)
	const noServer = `what answers there does not speak the Durable Task protocol: is it the gRPC address of a server\?: it answers as a web server does(: 40[14] \([A-Za-z ]+\))?`
	for server, want := range map[string]string{
		secure:              regexp.QuoteMeta(secure) + `.* speaks TLS.*: write --server https://` + regexp.QuoteMeta(secure),
		"https://" + secure: regexp.QuoteMeta(secure) + `.*unknown authority: name .* with --tls-ca`,
		"https://" + plain:  regexp.QuoteMeta(plain) + `.*does not speak TLS.*: write --server ` + regexp.QuoteMeta(plain),
		nothing:             regexp.QuoteMeta(nothing) + `.*connection refused`,

		website.address + website.trust:    regexp.QuoteMeta(website.host) + ".*" + noServer + "\n$",
		locked.address + locked.trust:      regexp.QuoteMeta(locked.host) + ".*" + noServer + "\n$",
		overPlain.Listener.Addr().String(): regexp.QuoteMeta(overPlain.Listener.Addr().String()) + ".*" + noServer + "\n$",
		s.Place().HTTP:                     regexp.QuoteMeta(s.Place().HTTP) + ".*" + noServer + "\n$",
	} {
		for _, verb := range []string{"instance list", "entity list", "hub list", "hub create x", "hub delete x --yes"} {
			_, errs, code := commandLine(t, strings.Fields(verb+" --timeout 10h --server "+server)...)
			if code != exitNotServed || !regexp.MustCompile(want).MatchString(errs) || strings.Contains(errs, errNotServed.Error()) {
				t.Errorf("%s --server %s: exit code %d\n%swant %d and %s", verb, server, code, errs, exitNotServed, want)
			}
		}
	}
}

// webServer is something that speaks TLS, HTTP/2 and no gRPC.
type webServer struct {
	host    string // and port
	address string // https://HOST:PORT
	trust   string // the flag by which its certificate is trusted
}

func tlsServer(t *testing.T, serve http.HandlerFunc) webServer {
	t.Helper()
	return tlsServerWith(t, nil, serve)
}

func tlsServerWith(t *testing.T, c *tls.Config, serve http.HandlerFunc) webServer {
	t.Helper()
	s := httptest.NewUnstartedServer(serve)
	s.TLS = c
	if serve == nil {
		s.Config.Handler = http.NotFoundHandler()
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return webServer{s.Listener.Addr().String(), "https://" + s.Listener.Addr().String(), " --tls-ca " + ca}
}
