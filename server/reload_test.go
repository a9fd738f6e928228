package server

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// put has one file be what another one is.
func put(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// over calls the gRPC door over a connection.
func over(t *testing.T, conn *grpc.ClientConn, token string) error {
	t.Helper()
	_, err := wire.NewTaskHubSidecarServiceClient(conn).GetInstance(as(t.Context(), token, ""), &wire.GetInstanceRequest{InstanceId: "x"})
	return err
}

// web is a client that keeps its connection, and asks for the probe.
func (r *running) web(t *testing.T, address string, secure *tls.Config) (ask func() error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: secure}
	t.Cleanup(tr.CloseIdleConnections)
	return func() error {
		a, err := (&http.Client{Transport: tr}).Get("https://" + address + "/readyz")
		if err != nil {
			return err
		}
		defer a.Body.Close()
		_, err = io.Copy(io.Discard, a.Body)
		return err
	}
}

func TestNewConnectionsGetTheCertificateThatWasReadAgainAndOldOnesGoOn(t *testing.T) {
	s, before := secured(t, func(c *Config, _ *authority) { c.Admin = "127.0.0.1:0" })
	after := newAuthority(t, "another ca")
	rpc := s.dial(t, before.trusting(t, "", ""))
	api, admin := s.web(t, s.Place().HTTP, before.trusting(t, "", "")), s.web(t, s.Place().Admin, before.trusting(t, "", ""))
	goesOn := func() {
		t.Helper()
		if err := over(t, rpc, ""); err != nil { // were it to connect anew, it would not trust the server
			t.Errorf("the gRPC connection of before: %v", err)
		}
		for name, ask := range map[string]func() error{"HTTP": api, "admin": admin} {
			if err := ask(); err != nil {
				t.Errorf("the %s connection of before: %v", name, err)
			}
		}
	}
	goesOn()
	cert, key := after.sign(t, "server", nil)
	put(t, cert, s.c.Cert)
	put(t, key, s.c.Key)
	if err := s.hello(t, after.trusting(t, "", ""), ""); err == nil {
		t.Error("the new certificate is there before anybody asked for it")
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	goesOn()
	if err := s.hello(t, after.trusting(t, "", ""), ""); err != nil {
		t.Errorf("gRPC with the new certificate: %v", err)
	}
	if err := s.hello(t, before.trusting(t, "", ""), ""); err == nil {
		t.Error("gRPC still has the old certificate")
	}
	for name, address := range map[string]string{"HTTP": s.Place().HTTP, "admin": s.Place().Admin} {
		if err := s.web(t, address, after.trusting(t, "", ""))(); err != nil {
			t.Errorf("%s with the new certificate: %v", name, err)
		}
		if err := s.web(t, address, before.trusting(t, "", ""))(); err == nil {
			t.Errorf("%s still has the old certificate", name)
		}
	}
	if len(s.log.lines("level=INFO", "read again", s.c.Cert)) != 1 {
		t.Errorf("the log does not say that the certificate was read again:\n%s", s.log)
	}
}

func TestACertificateThatCannotBeReadAgainLeavesThatOfBefore(t *testing.T) {
	s, ca := secured(t, func(c *Config, ca *authority) { c.ClientCA = ca.file })
	other, otherKey := ca.sign(t, "other", nil)
	client, clientKey := ca.sign(t, "client", nil)
	for name, c := range map[string]struct {
		file string
		make func(t *testing.T, file string)
		want string
	}{
		"no certificate":        {s.c.Cert, empty, "tls.cert"},
		"no key":                {s.c.Key, empty, "tls.key"},
		"another's certificate": {s.c.Cert, func(t *testing.T, file string) { put(t, other, file) }, "does not match"},
		"another's key":         {s.c.Key, func(t *testing.T, file string) { put(t, otherKey, file) }, "does not match"},
		"no authorities":        {s.c.ClientCA, empty, s.c.ClientCA},
		"no file": {s.c.Cert, func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	} {
		saved := c.file + ".saved"
		put(t, c.file, saved)
		c.make(t, c.file)
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err := s.hello(t, ca.trusting(t, client, clientKey), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		put(t, saved, c.file)
	}
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
}

func empty(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestClientsOfAnAuthorityThatWasReplacedDoNotComeBack(t *testing.T) {
	before, after := newAuthority(t, "clients"), newAuthority(t, "clients")
	s, ca := secured(t, func(c *Config, _ *authority) {
		c.ClientCA = before.file
		c.Certificates = map[string]map[string]gate.Role{"robot": {"*": gate.Reader}}
	})
	cert, key := before.sign(t, "robot", nil)
	old := ca.trusting(t, cert, key)
	old.ClientSessionCache = tls.NewLRUClientSessionCache(8) // which would spare it the certificate
	for range 2 {
		if code, err := s.get(t, old, ""); err != nil || code != http.StatusOK {
			t.Fatal(code, err)
		}
	}
	put(t, after.file, before.file)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if code, err := s.get(t, old, ""); err == nil {
		t.Errorf("a client of the old authority has a session that goes on: %d", code)
	}
	if err := s.hello(t, ca.trusting(t, cert, key), ""); status.Code(err) != codes.Unavailable {
		t.Errorf("a client of the old authority: %v", err)
	}
	cert, key = after.sign(t, "robot", nil)
	if err := s.hello(t, ca.trusting(t, cert, key), ""); err != nil {
		t.Errorf("a client of the new one: %v", err)
	}
}

func TestAFileThatCannotBeReadAgainKeepsNoOtherFromIt(t *testing.T) {
	file := t.TempDir() + "/keys.yaml"
	first, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	second, other := key(t, "b", map[string]gate.Role{"*": gate.Reader})
	write := func(k gate.Key) {
		t.Helper()
		if err := keyfile.Change(file, func([]gate.Key) ([]gate.Key, error) { return []gate.Key{k}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	write(entry)
	s, ca := secured(t, func(c *Config, _ *authority) { c.KeysFile = file })
	write(other)
	put(t, s.c.Cert, s.c.Cert+".saved")
	empty(t, s.c.Cert)
	if err := s.Reload(); err == nil {
		t.Error("nothing is said of a certificate that cannot be read")
	}
	if err := s.hello(t, ca.trusting(t, "", ""), second); err != nil {
		t.Errorf("a new key, beside a certificate that cannot be read: %v", err)
	}
	put(t, s.c.Cert+".saved", s.c.Cert)
	empty(t, file)
	if err := os.WriteFile(file, []byte("keys: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	after := newAuthority(t, "another ca")
	cert, certKey := after.sign(t, "server", nil)
	put(t, cert, s.c.Cert)
	put(t, certKey, s.c.Key)
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("of keys that cannot be read: %v", err)
	}
	if err := s.hello(t, after.trusting(t, "", ""), second); err != nil {
		t.Errorf("a new certificate, beside keys that cannot be read: %v", err)
	}
	if err := s.hello(t, after.trusting(t, "", ""), first); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the key of before: %v", err)
	}
}

// TestAFileOfKeysThatWasCutToNothingWithdrawsNone: an editor, a copy or a disk that is
// full leaves such files. Who means that there are no keys says so.
func TestAFileOfKeysThatWasCutToNothingWithdrawsNone(t *testing.T) {
	file := t.TempDir() + "/keys.yaml"
	secret, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	write := func(list ...gate.Key) {
		t.Helper()
		if err := keyfile.Change(file, func([]gate.Key) ([]gate.Key, error) { return list, nil }); err != nil {
			t.Fatal(err)
		}
	}
	write(entry)
	s := start(t, func(c *Config) { c.KeysFile = file })
	for _, text := range []string{"", "\n", "# keys of the shop\n", "keys:\n", "{}\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "keys: []") {
			t.Errorf("a file %q: %v", text, err)
		}
		if err := s.hello(t, nil, secret); err != nil {
			t.Errorf("the key of before, after a file %q: %v", text, err)
		}
		c := Config{Hub: "default", KeysFile: file}
		if _, ok := errors.AsType[*ConfigError](c.Check()); !ok {
			t.Errorf("a start with a file %q is not refused", text)
		}
	}
	write() // into an empty file, as the command does
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := s.hello(t, nil, secret); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with no keys, and a file that says so: %v", err)
	}
}

func TestTheFileOfTokensKeysIsReadAgain(t *testing.T) {
	file := t.TempDir() + "/jwks.json"
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const set = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	put(fmt.Sprintf(set, "one"))
	s := start(t, func(c *Config) {
		c.Tokens = &gate.TokenOptions{Issuer: "https://issuer.example", Audience: "netherite", KeysFile: file, Algorithms: []string{"EdDSA"}}
	})
	refusal := func() string {
		header, claims := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"two"}`)), base64.RawURLEncoding.EncodeToString(
			[]byte(`{"iss":"https://issuer.example","aud":"netherite","sub":"robot","exp":4102444800}`))
		return s.hello(t, nil, header+"."+claims+"."+strings.Repeat("A", 86)).Error()
	}
	if why := refusal(); !strings.Contains(why, `no key "two"`) {
		t.Error(why)
	}
	put("nonsense")
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("of keys that cannot be read: %v", err)
	}
	put(fmt.Sprintf(set, "two"))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if why := refusal(); !strings.Contains(why, "signature does not fit") { // with the key that there is now
		t.Error(why)
	}
}

// TestTheLogSaysWhatWasReadAgainAndWhetherItIsOther: a server that sees the file of
// before, as one in a container does to which the file alone was given, would say
// nothing else than that it has read.
func TestTheLogSaysWhatWasReadAgainAndWhetherItIsOther(t *testing.T) {
	dir := t.TempDir()
	file, tokens := dir+"/keys.yaml", dir+"/jwks.json"
	_, one := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	_, two := key(t, "b", map[string]gate.Role{"*": gate.Reader})
	write := func(list ...gate.Key) {
		t.Helper()
		if err := keyfile.Change(file, func([]gate.Key) ([]gate.Key, error) { return list, nil }); err != nil {
			t.Fatal(err)
		}
	}
	issue := func(ids ...string) {
		t.Helper()
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, id))
		}
		if err := os.WriteFile(tokens, []byte(`{"keys":[`+strings.Join(list, ",")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one)
	issue("x")
	clients := newAuthority(t, "clients")
	s, ca := secured(t, func(c *Config, _ *authority) {
		c.KeysFile, c.ClientCA = file, clients.file
		c.Tokens = &gate.TokenOptions{Issuer: "https://issuer.example", Audience: "netherite", KeysFile: tokens, Algorithms: []string{"EdDSA"}}
	})
	n := 0
	again := func(keys, ofTokens, certificates string) {
		t.Helper()
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		n++
		for what, says := range map[string]string{"the API keys": keys, "the keys of tokens": ofTokens, "the certificates": certificates} {
			list := s.log.lines("level=INFO", what+" were read again")
			if len(list) != n || !strings.Contains(list[n-1], says) {
				t.Errorf("reading %s for the %dth time says %q, want %s", what, n, list, says)
			}
		}
	}
	again("changed=false keys=1", "changed=false keys=1", "changed=false expires=20")
	write(two, one)
	again("changed=true keys=2", "changed=false keys=1", "changed=false")
	again("changed=false keys=2", "changed=false keys=1", "changed=false")
	issue("x", "y")
	write(one)
	again("changed=true keys=1", "changed=true keys=2", "changed=false")
	put(t, newAuthority(t, "clients").file, clients.file)
	again("changed=false keys=1", "changed=false keys=2", "changed=true")
	cert, certKey := ca.sign(t, "server", nil)
	put(t, cert, s.c.Cert)
	put(t, certKey, s.c.Key)
	again("changed=false", "changed=false", "changed=true")
	again("changed=false", "changed=false", "changed=false")
}
