package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// perByte is by how much JSON grows as it is read, written and read again: an element of
// a map takes a few bytes of it.
const perByte = 500

// FuzzContexts holds that any file of contexts is read or refused with its name, and that
// what is written of it is read as the same.
func FuzzContexts(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		f.Setenv(name, dir)
	}
	path := contextsFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"current":"a","contexts":{"a":{"server":"localhost:4001","hub":"h","insecure":true},"b":{"server":"https://b:1","apiKeyFile":"k","tlsCA":"c"}}}`))
	for _, text := range []string{"", "null", "{}", `{"contexts":null}`, `{"contexts":[]}`, `{"contexts":{"":{}}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := readContexts()
			if err != nil {
				if !strings.Contains(err.Error(), path) {
					t.Errorf("%v does not name the file", err)
				}
				return
			}
			if err := c.write(); err != nil {
				t.Fatal(err)
			}
			again, err := readContexts()
			if d := cmp.Diff(c, again, cmpopts.EquateEmpty()); err != nil || d != "" {
				t.Errorf("written and read it is something else (%v):\n%s", err, d)
			}
		})
	})
}

// FuzzChanges holds that a stream of changes with anything in it is read to its end, that
// a change is the same when it is said again, and that an answer in the stream's place is
// an error with a text.
func FuzzChanges(f *testing.F) {
	f.Add([]byte("id: 1\nevent: change\ndata: {\"instanceId\":\"i\",\"name\":\"n\",\"version\":\"1\",\"runtimeStatus\":\"Running\",\"gone\":true}\n\nevent: end\ndata: {}\n\n"), 200)
	f.Add([]byte("event: change\n\nevent: change\ndata: {\n\n: comment\n\n\n"), 200)
	f.Add([]byte(`{"exceptionMessage":"there is no such task hub"}`), 404)
	f.Add([]byte("Client sent an HTTP request to an HTTPS server.\n"), 400)
	f.Add([]byte("{}"), 503)
	f.Fuzz(func(t *testing.T, b []byte, code int) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			for lines := bufio.NewReader(bytes.NewReader(b)); ; {
				kind, data, err := event(lines)
				if err != nil {
					break
				}
				if kind == "change" {
					changeAgain(t, data)
				}
			}
			instead := &http.Response{StatusCode: code, Status: "S", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(b))}
			if err := (&changesAt{url: "http://h:1"}).refused(instead); err == nil || !strings.Contains(err.Error(), "http://h:1") {
				t.Errorf("code %d: %v", code, err)
			}
		})
	})
}

func changeAgain(t *testing.T, data string) {
	t.Helper()
	c := readChange(data)
	if c == nil {
		return
	}
	text, err := json.Marshal(map[string]any{"instanceId": c.Instance, "name": c.Name, "version": c.Version, "runtimeStatus": c.Status.String(), "gone": c.Gone})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, readChange(string(text))); d != "" {
		t.Errorf("%s is read as something else:\n%s", text, d)
	}
}

// FuzzPayload holds that what is read as a payload is JSON that a hub takes, and that
// anything else is a mistake of whoever has called the command.
func FuzzPayload(f *testing.F) {
	for _, text := range []string{"1", " {\"a\":[1]}\n", "\ufeff1", "", "{", "\"\xff\"", "1 2"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			cmd := &cobra.Command{}
			cmd.SetContext(t.Context())
			cmd.SetIn(bytes.NewReader(b))
			payload, err := readPayload(cmd, "--input @-", "-")
			_, usage := errors.AsType[usageError](err)
			switch {
			case err != nil && !usage:
				t.Errorf("%v", err)
			case err == nil && (!json.Valid(payload) || !utf8.Valid(payload) || len(payload) > maxPayload || !bytes.Contains(b, payload)):
				t.Errorf("%q is taken as %q", b, payload)
			}
		})
	})
}
