package server

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

// hello calls the gRPC door.
func (r *running) hello(t *testing.T, secure *tls.Config, token string) error {
	t.Helper()
	_, err := wire.NewTaskHubSidecarServiceClient(r.dial(t, secure)).GetInstance(as(t.Context(), token, ""), &wire.GetInstanceRequest{InstanceId: "x"})
	return err
}

// get calls the HTTP door.
func (r *running) get(t *testing.T, secure *tls.Config, token string) (int, error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: secure}
	defer tr.CloseIdleConnections()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.Place().HTTP+httpapi.Base+"/instances", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := (&http.Client{Transport: tr}).Do(q)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	return a.StatusCode, err
}

// secured is a server with TLS, and the authority that signed its certificate.
func secured(t *testing.T, change func(*Config, *authority)) (*running, *authority) {
	t.Helper()
	ca := newAuthority(t, "ca")
	cert, key := ca.sign(t, "server", nil)
	return start(t, func(c *Config) {
		c.Cert, c.Key = cert, key
		if change != nil {
			change(c, ca)
		}
	}), ca
}

func TestTLS12IsRefusedAtBothDoors(t *testing.T) {
	s, ca := secured(t, nil)
	if err := s.hello(t, ca.trusting(t, "", ""), ""); err != nil {
		t.Fatal(err)
	}
	if code, err := s.get(t, ca.trusting(t, "", ""), ""); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
	old := ca.trusting(t, "", "")
	old.MaxVersion = tls.VersionTLS12
	if err := s.hello(t, old, ""); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("gRPC with TLS 1.2: %v", err)
	}
	if code, err := s.get(t, old, ""); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("HTTP with TLS 1.2: %d, %v", code, err)
	}
}

func TestPlainTextIsRefusedWhereThereIsTLS(t *testing.T) {
	s, _ := secured(t, nil)
	if err := s.hello(t, nil, ""); err == nil {
		t.Error("gRPC answers in plain text")
	}
	if a := s.ask(t, "GET", "/readyz", "", nil); a.code != http.StatusBadRequest {
		t.Errorf("%+v", a)
	}
}

func TestAClientIsKnownByItsCertificate(t *testing.T) {
	workers, err := url.Parse("spiffe://example.com/workers")
	if err != nil {
		t.Fatal(err)
	}
	clients := newAuthority(t, "clients")
	s, ca := secured(t, func(c *Config, _ *authority) {
		c.ClientCA = clients.file
		c.Certificates = map[string]map[string]gate.Role{"robot": {"default": gate.Reader}, workers.String(): {"*": gate.Worker}, "elsewhere": {"other": gate.Admin}}
	})
	cert, key := clients.sign(t, "robot", nil)
	byURI, uriKey := clients.sign(t, "any", func(c *x509.Certificate) { c.URIs = []*url.URL{workers} })
	unlisted, unlistedKey := clients.sign(t, "stranger", nil)
	elsewhere, elsewhereKey := clients.sign(t, "elsewhere", nil)
	others := newAuthority(t, "clients") // even of the same name
	foreign, foreignKey := others.sign(t, "robot", nil)
	old, oldKey := clients.sign(t, "robot-old", func(c *x509.Certificate) { c.Subject.CommonName, c.NotAfter = "robot", time.Now().Add(-time.Minute) })
	ofServer, ofServerKey := clients.sign(t, "robot-server", func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = "robot", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	for _, c := range []struct {
		name, cert, key string
		rpc             codes.Code
		http            int // 0: no connection
	}{
		{"listed", cert, key, codes.OK, 200},
		{"listed by its URI", byURI, uriKey, codes.OK, 200},
		{"not listed", unlisted, unlistedKey, codes.Unauthenticated, 401},
		{"listed for another hub", elsewhere, elsewhereKey, codes.PermissionDenied, 403},
		{"of another authority", foreign, foreignKey, codes.Unavailable, 0},
		{"expired", old, oldKey, codes.Unavailable, 0},
		{"not for clients", ofServer, ofServerKey, codes.Unavailable, 0},
		{"none", "", "", codes.Unavailable, 0},
	} {
		if err := s.hello(t, ca.trusting(t, c.cert, c.key), ""); status.Code(err) != c.rpc {
			t.Errorf("%s over gRPC: %v, want %v", c.name, err, c.rpc)
		}
		if code, err := s.get(t, ca.trusting(t, c.cert, c.key), ""); code != c.http || (err != nil) != (c.http == 0) {
			t.Errorf("%s over HTTP: %d, %v, want %d", c.name, code, err, c.http)
		}
	}
}

func TestAKeyIsEnoughWhereCertificatesAreOneWayOfSeveral(t *testing.T) {
	clients := newAuthority(t, "clients")
	token, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	s, ca := secured(t, func(c *Config, _ *authority) {
		c.ClientCA, c.Keys = clients.file, []gate.Key{entry}
		c.Certificates = map[string]map[string]gate.Role{"robot": {"*": gate.Reader}}
	})
	cert, certKey := clients.sign(t, "robot", nil)
	unlisted, unlistedKey := clients.sign(t, "stranger", nil)
	foreign, foreignKey := newAuthority(t, "x").sign(t, "robot", nil)
	for name, c := range map[string]struct {
		secure *tls.Config
		token  string
		want   codes.Code
	}{
		"a key":                            {ca.trusting(t, "", ""), token, codes.OK},
		"a certificate":                    {ca.trusting(t, cert, certKey), "", codes.OK},
		"a certificate not listed, a key":  {ca.trusting(t, unlisted, unlistedKey), token, codes.OK},
		"neither":                          {ca.trusting(t, "", ""), "", codes.Unauthenticated},
		"another authority's, and a key":   {ca.trusting(t, foreign, foreignKey), token, codes.Unavailable},
		"a certificate, and a wrong token": {ca.trusting(t, unlisted, unlistedKey), "nk_a_wrong", codes.Unauthenticated},
	} {
		if err := s.hello(t, c.secure, c.token); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestClientCertificatesMayBeAskedForBesideKeys(t *testing.T) {
	clients := newAuthority(t, "clients")
	token, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	s, ca := secured(t, func(c *Config, _ *authority) { c.ClientCA, c.Keys = clients.file, []gate.Key{entry} })
	cert, certKey := clients.sign(t, "any", nil)
	if err := s.hello(t, ca.trusting(t, cert, certKey), token); err != nil {
		t.Error(err)
	}
	if err := s.hello(t, ca.trusting(t, cert, certKey), ""); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key: %v", err)
	}
	if err := s.hello(t, ca.trusting(t, "", ""), token); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
}
