package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// liveTLS is the server's side of TLS 1.3, whose files can be read again.
type liveTLS struct {
	c   *Config
	now atomic.Pointer[tls.Config]
}

// newLiveTLS reads the files; nil without a certificate.
func newLiveTLS(c *Config) (*liveTLS, error) {
	if c.Cert == "" {
		if c.ClientCA != "" || c.Key != "" {
			return nil, errors.New("there is a key or a file of client certificates, but no certificate (tls.cert)")
		}
		return nil, nil
	}
	l := &liveTLS{c: c}
	_, err := l.reload()
	return l, err
}

// reload reads the files again. If one of them cannot be read, or they do not fit
// each other, all of before stay.
func (l *liveTLS) reload() (reading, error) {
	t, err := l.c.readTLS()
	if err != nil {
		return reading{}, err
	}
	before := l.now.Swap(t)
	changed := before == nil || !sameCertificates(before, t)
	return reading{changed, []any{"expires", t.Certificates[0].Leaf.NotAfter.UTC()}}, nil
}

// sameCertificates compares what was read from files at two times.
func sameCertificates(a, b *tls.Config) bool {
	chain := func(t *tls.Config) [][]byte { return t.Certificates[0].Certificate }
	return slices.EqualFunc(chain(a), chain(b), bytes.Equal) && (a.ClientCAs == b.ClientCAs || a.ClientCAs.Equal(b.ClientCAs))
}

// config serves connections that speak one of the protocols, each with the files
// as they were read last before it began. A session that a client resumes is held
// against the authorities of now as well: crypto/tls does so.
func (l *liveTLS) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			t := l.now.Load().Clone()
			t.NextProtos = protocols
			return t, nil
		},
	}
}

// certificate is the server's, as it was read last; nil if there is none.
func (l *liveTLS) certificate() *x509.Certificate {
	if l == nil {
		return nil
	}
	return l.now.Load().Certificates[0].Leaf
}

// files are those that it reads.
func (l *liveTLS) files() []string {
	list := []string{l.c.Cert, l.c.Key}
	if l.c.ClientCA != "" {
		list = append(list, l.c.ClientCA)
	}
	return list
}

// readTLS reads the certificate, its key, and the authorities of clients.
func (c *Config) readTLS() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("read the server's certificate (tls.cert, tls.key): %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	if c.ClientCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read the certificates that sign those of clients (tls.client-ca): %w", err)
	}
	t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if len(c.Certificates) > 0 && (len(c.Keys) > 0 || c.KeysFile != "" || c.Tokens != nil) {
		t.ClientAuth = tls.VerifyClientCertIfGiven // there are other ways to say who one is
	}
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the certificates that sign those of clients (tls.client-ca): %s has no certificates", c.ClientCA)
	}
	return t, nil
}
