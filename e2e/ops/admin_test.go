package ops_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned makes a certificate of 127.0.0.1 that signs itself, and its key.
func selfSigned(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "netherite"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("server.crt", "CERTIFICATE", der), write("server.key", "EC PRIVATE KEY", secret)
}

func TestTheLogLevelCanBeChangedWhileAServerRuns(t *testing.T) {
	p := start(t, append([]string{"dev", "--memory", "--log-level", "warn", "--log-format", "json"}, loopback...)...)
	level := "http://" + p.place.Admin + "/log/level"
	if code, text := ask(t, "GET", level, ""); code != 200 || !strings.Contains(text, "WARN") {
		t.Errorf("the level is %d %s", code, text)
	}
	said := p.logged(`"msg":"the log level was changed"`)
	if code, text := ask(t, "PUT", level, "debug"); code != 200 || !strings.Contains(text, "DEBUG") {
		t.Errorf("debug: %d %s", code, text)
	}
	wait(t, said, "a line of the change, in JSON")
	if code, text := ask(t, "PUT", level, "loud"); code != 400 || !strings.Contains(text, "debug, info, warn or error") {
		t.Errorf("loud: %d %s", code, text)
	}
	for path, want := range map[string]int{"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/healthz": 200, "/readyz": 200, "/none": 404} {
		if code, _ := ask(t, "GET", "http://"+p.place.Admin+path, ""); code != want {
			t.Errorf("%s answers %d, want %d", path, code, want)
		}
	}
	if code, _ := ask(t, "GET", "http://"+p.place.HTTP+"/metrics", ""); code == 200 {
		t.Error("the figures are at the HTTP API's address as well")
	}
}

func TestCommandsReachAServerByTLSWithAKey(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	file := filepath.Join(dir, "keys.yaml")
	secret := must(t, "key", "create", "ops", "--role", "*=admin", "--keys-file", file)
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "server", "--data", filepath.Join(dir, "data"), "--grpc", "0.0.0.0:0", "--http", "127.0.0.1:0", "--admin", "0.0.0.0:0",
		"--tls-cert", cert, "--tls-key", key, "--keys-file", file)
	_, port, err := net.SplitHostPort(p.place.GRPC[0])
	if err != nil {
		t.Fatal(err)
	}
	to := []string{"--server", "https://127.0.0.1:" + port, "--tls-ca", cert, "--api-key-file", filepath.Join(dir, "key")}
	must(t, append([]string{"hub", "create", "orders"}, to...)...)
	if got := hubs(t, to...); len(got) != 1 || got[0] != "orders" {
		t.Errorf("the server has %q", got)
	}
	if _, errs, code := command(t, "hub", "list", "--server", "https://127.0.0.1:"+port, "--tls-ca", cert); code == 0 {
		t.Errorf("without a key it is let in: %s", errs)
	}
	if _, errs, code := command(t, "hub", "list", "--server", "https://127.0.0.1:"+port, "--api-key-file", filepath.Join(dir, "key"), "--timeout", "5s"); code == 0 {
		t.Errorf("a server that nobody vouches for is trusted: %s", errs)
	}
}
