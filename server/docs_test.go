package server

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/durable/seal"
)

// commandsOf are the commands of a page: what is between lines that say sh.
func commandsOf(t *testing.T, page string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "\n```") {
		if commands, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			list = append(list, commands)
		}
	}
	return list
}

func TestTheCommandsOfTheSecurityPageMakeAServerThatWorks(t *testing.T) {
	dir := t.TempDir()
	list := commandsOf(t, "../docs/security.md")
	if len(list) < 2 {
		t.Fatalf("the page has %d pieces of commands, want at least 2", len(list))
	}
	for _, commands := range list[:2] { // the others are run by the tests of the SDKs' pages
		cmd := exec.Command("sh", "-e", "-c", commands)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", commands, err, out)
		}
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	s := start(t, func(c *Config) {
		c.Cert, c.Key, c.ClientCA = file("server.pem"), file("server.key"), file("ca.pem")
		c.Certificates = map[string]map[string]gate.Role{"orders-worker": {"default": gate.Worker}}
	})
	pair, err := tls.LoadX509KeyPair(file("client.pem"), file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "netherite", "netherite.internal", "127.0.0.1"} {
		secure := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: name, Certificates: []tls.Certificate{pair}}
		if !secure.RootCAs.AppendCertsFromPEM(ca) {
			t.Fatal("ca.pem has no certificate")
		}
		if err := s.hello(t, secure, ""); err != nil {
			t.Errorf("%s over gRPC: %v", name, err)
		}
		if code, err := s.get(t, secure, ""); err != nil || code != 200 {
			t.Errorf("%s over HTTP: %d, %v", name, code, err)
		}
		secure.Certificates = nil
		if err := s.hello(t, secure, ""); err == nil {
			t.Errorf("%s without a certificate", name)
		}
	}
	text, err := os.ReadFile(file("seal.keys"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.ParseKeys(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.New(seal.Options{Keys: keys}); err != nil {
		t.Error(err)
	}
}
