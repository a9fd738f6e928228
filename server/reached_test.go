package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
)

func TestWhereAServerIsReachedCanBeDialedAndFitsItsCertificate(t *testing.T) {
	ca := newAuthority(t, "ca")
	_, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	for _, c := range []struct {
		name string
		of   func(*x509.Certificate)
		want string
	}{
		{"localhost", func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"netherite", "localhost"}, nil }, "localhost"},
		{"address", func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} }, "127.0.0.1"},
		{"name", func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"*.a.example", "b.example"}, nil }, "b.example"},
		{"nothing", func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }, "localhost"},
	} {
		ready := filepath.Join(t.TempDir(), "ready")
		cert, certKey := ca.sign(t, c.name, c.of)
		s := start(t, func(o *Config) {
			o.GRPC, o.HTTP, o.Admin = []string{"0.0.0.0:0", "[::]:0", "127.0.0.1:0"}, ":0", ""
			o.Cert, o.Key, o.Keys, o.ReadyFile = cert, certKey, []gate.Key{entry}, ready
		})
		var got []string
		for _, address := range append(slices.Clone(s.Reached().GRPC), s.Reached().HTTP) {
			host, port, err := net.SplitHostPort(address)
			if err != nil || port == "0" {
				t.Errorf("%s: it is reached at %q: %v", c.name, address, err)
			}
			got = append(got, host)
		}
		if want := []string{c.want, c.want, "127.0.0.1", c.want}; !slices.Equal(got, want) {
			t.Errorf("%s: it is reached at %q, want %q", c.name, got, want)
		}
		if n := len(s.Place().Everywhere()); n != 3 {
			t.Errorf("it listens at all addresses at %q", s.Place().Everywhere())
		}
		if list := s.Place().Addresses(); len(list) != 4 || slices.Contains(list, "") {
			t.Errorf("it listens at %q", list)
		}
		var told Place
		if b, err := os.ReadFile(ready); err != nil || json.Unmarshal(b, &told) != nil || !slices.Equal(told.GRPC, s.Reached().GRPC) {
			t.Errorf("the ready file says %s, %v", b, err)
		}
		if c.name == "localhost" || c.name == "address" {
			secure := ca.trusting(t, "", "")
			secure.ServerName = "" // the one that is dialed
			conn, err := tls.Dial("tcp", s.Reached().GRPC[0], secure)
			if err != nil {
				t.Fatalf("where it is reached: %v", err)
			}
			_ = conn.Close()
		}
	}
}

// TestTheCommandThatMakesTheDefaultHubHasAllThatItNeeds: an address to dial, whom to
// trust, and how to be let in.
func TestTheCommandThatMakesTheDefaultHubHasAllThatItNeeds(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, certKey := ca.sign(t, "server", nil)
	_, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	const trust, secret, certificate = " --tls-ca ", " --api-key-file ", " --tls-cert "
	for _, c := range []struct {
		change    func(*Config)
		has, lack []string
	}{
		{func(c *Config) { c.Insecure = true }, nil, []string{trust, secret, certificate, "https://"}},
		{func(c *Config) { c.Cert, c.Key, c.Keys = cert, certKey, []gate.Key{entry} }, []string{"https://localhost:", trust, secret}, []string{certificate}},
		{func(c *Config) { c.Cert, c.Key, c.ClientCA, c.Keys = cert, certKey, ca.file, []gate.Key{entry} }, []string{trust, secret, certificate}, nil},
		{func(c *Config) {
			c.Cert, c.Key, c.ClientCA, c.Certificates = cert, certKey, ca.file, map[string]map[string]gate.Role{"robot": {"*": gate.Admin}}
		}, []string{trust, certificate}, []string{secret}},
	} {
		s := start(t, func(o *Config) {
			o.Data, o.OnDemand, o.GRPC = t.TempDir(), false, []string{"0.0.0.0:0"}
			c.change(o)
		})
		lines := s.log.lines("level=WARN", "netherite hub create default --server")
		if len(lines) != 1 || !strings.Contains(lines[0], s.Reached().GRPC[0]) {
			t.Fatalf("the log says %q, it is reached at %q", lines, s.Reached().GRPC)
		}
		for _, want := range c.has {
			if !strings.Contains(lines[0], want) {
				t.Errorf("%q is not in %s", want, lines[0])
			}
		}
		for _, not := range c.lack {
			if strings.Contains(lines[0], not) {
				t.Errorf("%q is in %s", not, lines[0])
			}
		}
	}
}
