package sdktest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SecureAddress is where the pages of the SDKs have the server of StartSecure.
const SecureAddress = "localhost:4443"

// StartSecure starts the server that the page on security makes to try it with, by
// the commands of that page, on free ports. In the folder dir are ca.pem and shop.key;
// its task hub is "orders".
func StartSecure(t testing.TB) (s *Server, dir string) {
	t.Helper()
	dir = t.TempDir()
	text, err := os.ReadFile(filepath.Join(Root(t), "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	made, tried := commandsAfter(t, text, "## Certificates, made with OpenSSL"), commandsAfter(t, text, "## A server to try it with")
	lines := strings.Split(strings.TrimSpace(tried), "\n")
	last := strings.Fields(lines[len(lines)-1])
	for _, commands := range []string{made, strings.Join(lines[:len(lines)-1], "\n")} {
		cmd := exec.Command("sh", "-e", "-c", commands)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Dir(Binary(t))+string(filepath.ListSeparator)+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", commands, err, out)
		}
	}
	s = &Server{GRPC: freePort(t), HTTP: freePort(t), Data: filepath.Join(dir, "data"), dir: dir, ready: filepath.Join(dir, "ready")}
	s.args = append(last[1:], "--ready-file", s.ready)
	for i, a := range s.args {
		switch a {
		case "--grpc":
			s.args[i+1] = s.GRPC
		case "--http":
			s.args[i+1] = s.HTTP
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.runUntilTheEnd(t, log)
	return s, dir
}

// commandsAfter returns the first piece of commands after a heading of a page.
func commandsAfter(t testing.TB, page []byte, heading string) string {
	t.Helper()
	_, rest, found := bytes.Cut(page, []byte(heading+"\n"))
	m := regexp.MustCompile("(?s)```sh\\n(.*?)```").FindSubmatch(rest)
	if !found || m == nil {
		t.Fatalf("the page has no commands after %q", heading)
	}
	return string(m[1])
}

// Root is the folder of the module.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	t.Fatalf("no folder above has a go.mod (%v)", err)
	return ""
}
