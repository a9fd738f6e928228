package main

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

func TestAnInstanceIsFollowedAsItGoesOn(t *testing.T) {
	dir := t.TempDir()
	hub, err := netherite.Open(dir, netherite.Serve(handlers...), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeHub(hub) }()
	if _, err := hub.Engine().Start(t.Context(), engine.StartRequest{Instance: "x", Name: "Asks", Input: []byte(`""`)}); err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	code := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		// No look of its own is due before the test has ended: it is told.
		code <- run(t.Context(), []string{"instance", "tail", "x", "--dir", dir, "--interval", "1h"}, write, &stderr)
		_ = write.Close()
	}()
	lines := bufio.NewScanner(read)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if regexp.MustCompile(want).MatchString(lines.Text()) {
				return
			}
		}
		t.Fatalf("the output has ended without %s: %s", want, stderr.String())
	}
	until(`ExecutionStarted`)
	until(`Running`)
	if err := hub.Engine().Suspend(t.Context(), "x", "wait"); err != nil {
		t.Fatal(err)
	}
	until(`Suspended$`)
	if err := hub.Engine().Resume(t.Context(), "x", ""); err != nil {
		t.Fatal(err)
	}
	until(`Running$`)
	if err := hub.Engine().Raise(t.Context(), engine.RaiseRequest{Instance: "x", Event: "Release", Payload: []byte(`"go"`)}); err != nil {
		t.Fatal(err)
	}
	until(`EventRaised.*"go"`)
	until(`Completed  "go"$`)
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d: %s", c, stderr.String())
	}
}

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	for value, want := range map[string]string{
		`{"a":1,"b":[],"c":{},"d":[{"e":"f","g":null},[1,[2]],"x: y"],"yes":true,"h i":{"j":{"k":"l\nm"}}}`: `a: 1
b: []
c: {}
d:
  - e: "f"
    g: null
  - - 1
    - - 2
  - "x: y"
"yes": true
"h i":
  j:
    k: "l\nm"
`,
		`[]`: "[]\n", `"t"`: "\"t\"\n", `[1,2]`: "- 1\n- 2\n", `{"<&>":"<&>"}`: "\"<&>\": \"<&>\"\n",
	} {
		var out strings.Builder
		if err := printYAML(&out, json.RawMessage(value)); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", value, err, out.String(), want)
		}
	}
}
