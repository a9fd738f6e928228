package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPayloadsThatAreNotUTF8AreRefused: they are no JSON, which lists would show them as.
func TestPayloadsThatAreNotUTF8AreRefused(t *testing.T) {
	noContexts(t)
	file := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(file, []byte("\"\xff\""), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "hub")
	for _, line := range [][]string{
		{"instance", "start", "X", "--input", "\"a\xff\""}, {"instance", "raise", "x", "go", "--data", "\"\xff\""},
		{"instance", "start", "X", "--input", "@" + file}, {"instance", "terminate", "x", "--output", "\"\xff\""}, {"entity", "signal", "a", "b", "add", "--data", "\"\xff\""},
	} {
		if _, errs, code := commandLine(t, append(line, "--dir", dir)...); code != 2 || !strings.Contains(errs, "not UTF-8") {
			t.Errorf("%q: exit code %d: %s", line, code, errs)
		}
	}
	if got := payload([]byte("\"a\xff\"")); got != "\"a\xff\"" {
		t.Errorf("such a payload is shown as %v, which is no JSON", got)
	}
}
