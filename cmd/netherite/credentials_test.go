package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/server"
)

// TestAnAPIKeyFileThatCannotBeUsedIsNamed: with what is wrong with it, as a usage error,
// and without what is in it.
func TestAnAPIKeyFileThatCannotBeUsedIsNamed(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	for content, says := range map[string]string{
		"":                             "is empty",
		" \n\n":                        "is empty",
		"secret words":                 "has a space",
		"secret1\nsecret2\n":           "has 2 lines",
		"secret\x01":                   "has a character",
		"secr\u00e9t":                  "has a character",
		"\xff\xfes\x00e\x00c\x00":      "has a character",
		strings.Repeat("secret", 3000): "18000 bytes",
	} {
		file := filepath.Join(t.TempDir(), "file.key")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"instance list", "entity list", "instance start x", "hub list", "hub create h", "context add c"} {
			_, errs, code := commandLine(t, strings.Fields(verb+" --server "+s.Place().GRPC[0]+" --api-key-file "+file)...)
			if code != exitUsage || !strings.Contains(errs, "--api-key-file "+file) || !strings.Contains(errs, says) || strings.Contains(errs, "secr") || strings.Count(errs, "api-key-file") != 1 {
				t.Errorf("%s with %q: exit code %d, want %q\n%s", verb, content, code, says, errs)
			}
		}
	}
	t.Setenv("NETHERITE_API_KEY", "secret words")
	if _, errs, code := commandLine(t, "instance", "list", "--server", s.Place().GRPC[0]); code != exitUsage || !strings.Contains(errs, "NETHERITE_API_KEY has a space") || strings.Contains(errs, "secret") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// TestAFileOfAnAPIKeyMayEndWithALine: as editors and echo write it, on any system.
func TestAFileOfAnAPIKeyMayEndWithALine(t *testing.T) {
	noContexts(t)
	for _, content := range []string{"nk_a_b", "nk_a_b\n", "nk_a_b\r\n", "\ufeffnk_a_b\n"} {
		file := filepath.Join(t.TempDir(), "file.key")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := (&serverAt{APIKeyFile: file}).secret(); key != "nk_a_b" || err != nil {
			t.Errorf("%q is %q, %v", content, key, err)
		}
	}
}

func TestHalfOfAClientCertificateIsSaidToBeHalf(t *testing.T) {
	noContexts(t)
	refuseAll(t, []refusedLine{
		{"instance list --server https://h:1 --tls-cert client.pem", exitUsage, "--tls-cert client.pem needs its key: name it with --tls-key"},
		{"hub list --server https://h:1 --tls-cert client.pem", exitUsage, "name it with --tls-key"},
		{"context add c --server https://h:1 --tls-key client.key", exitUsage, "--tls-key client.key needs its certificate: name it with --tls-cert"},
	})
}

// TestWhoHasNamedNoKeyIsToldHow: the server speaks of headers, the command of flags.
func TestWhoHasNamedNoKeyIsToldHow(t *testing.T) {
	noContexts(t)
	dir := t.TempDir()
	keys, file := filepath.Join(dir, "keys.yaml"), filepath.Join(dir, "other.key")
	if _, errs, code := commandLine(t, "key", "create", "a", "--role", "*=admin", "--keys-file", keys); code != 0 {
		t.Fatal(errs)
	}
	if err := os.WriteFile(file, []byte("nk_a_other"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serverOf(t, server.Config{KeysFile: keys})
	for _, verb := range []string{"instance list", "entity list", "hub list", "hub create h"} {
		line := strings.Fields(verb + " --server " + s.Place().GRPC[0])
		if _, errs, code := commandLine(t, line...); code != exitFailed || !strings.Contains(errs, "are missing") || !strings.HasSuffix(errs, ": name the file of an API key with --api-key-file\n") {
			t.Errorf("%s without a key: exit code %d, %s", verb, code, errs)
		}
		if _, errs, code := commandLine(t, append(line, "--api-key-file", file)...); code != exitFailed || strings.Contains(errs, "--api-key-file") {
			t.Errorf("%s with another key: exit code %d, %s", verb, code, errs)
		}
	}
}

func TestWhoHasNamedNoCertificateIsToldHow(t *testing.T) {
	noContexts(t)
	s := tlsServerWith(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, nil)
	for _, verb := range []string{"instance list", "entity list", "hub list", "hub create h"} {
		_, errs, code := commandLine(t, strings.Fields(verb+" --server "+s.address+s.trust)...)
		if code != exitFailed || !strings.Contains(errs, "wants to be shown a certificate") || !strings.HasSuffix(errs, ": name one with --tls-cert and --tls-key\n") {
			t.Errorf("%s: exit code %d, %s", verb, code, errs)
		}
	}
}
