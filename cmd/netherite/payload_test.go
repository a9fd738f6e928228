package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/server"
)

// typed runs a command line with a standard input.
func typed(ctx context.Context, in io.Reader, args ...string) (stdout string, err error) {
	var out strings.Builder
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	err = root.ExecuteContext(ctx)
	return out.String(), err
}

func TestPayloadsComeFromFilesAndStandardInput(t *testing.T) {
	noContexts(t)
	s, hub := serving(t, server.Config{})
	large := `"` + strings.Repeat("x", 1<<20) + `"` // more than a shell takes as an argument
	file := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(file, []byte("\ufeff "+large+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"--server", s.Place().GRPC[0]}
	for id, from := range map[string]string{"file": "@" + file, "stdin": "@-"} {
		if out, err := typed(t.Context(), strings.NewReader(large), append([]string{"instance", "start", "Asks", "--id", id, "--input", from}, at...)...); err != nil || out != id+"\n" {
			t.Errorf("%s: %q %v", from, out, err)
		}
		if m, err := hub.Engine().Get(t.Context(), id, engine.GetOptions{Payloads: true}); err != nil || string(m.Input) != large {
			t.Errorf("%s: the input has %d bytes, %v", from, len(m.Input), err)
		}
	}
	for line, in := range map[string]string{
		"instance raise file Release --data @-": `"now"`, "entity signal account a Add --data @-": " 5\n", "instance terminate stdin --output @-": `"bye"`,
	} {
		if _, err := typed(t.Context(), strings.NewReader(in), append(strings.Fields(line), at...)...); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	m, err := hub.Engine().Wait(t.Context(), "file", engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil || string(m.Output) != `"now"` {
		t.Errorf("%+v %v", m, err)
	}
	if m, err = hub.Engine().Get(t.Context(), "stdin", engine.GetOptions{Payloads: true}); err != nil || string(m.Output) != `"bye"` {
		t.Errorf("%+v %v", m, err)
	}
	if m, err = hub.Engine().Get(t.Context(), "@account@a", engine.GetOptions{Payloads: true, Fresh: true}); err != nil || !strings.Contains(string(m.Entity.State), "5") {
		t.Errorf("%+v %v", m, err)
	}
}

func TestAPayloadThatCannotBeReadIsNamedWithTheReason(t *testing.T) {
	noContexts(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{\n \"secret\": 1,\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, c := range map[string]struct{ in, says string }{
		"@":                              {"", "--input @: a name is missing: @FILE, or @- for standard input"},
		"@" + filepath.Join(dir, "none"): {"", "none: no such file or directory"},
		"@" + dir:                        {"", "is a directory"},
		"@" + bad:                        {"", "bad.json is not JSON: line 3: invalid character '}'"},
		"@-":                             {"", "--input @-: it is empty"},
		"{":                              {"", "a file is named by @FILE"},
	} {
		_, err := typed(t.Context(), strings.NewReader(c.in), "instance", "start", "Asks", "--dir", dir, "--input", from)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: exit code %d, %v, want %q", from, exitCode(err), err, c.says)
		}
	}
	endless := io.MultiReader(strings.NewReader(`"`), zeros{})
	if _, err := typed(t.Context(), endless, "instance", "raise", "a", "E", "--dir", dir, "--data", "@-"); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("without an end: %v", err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestAPayloadThatNobodyTypesCanBeBrokenOff(t *testing.T) {
	noContexts(t)
	ctx, stop := context.WithCancelCause(t.Context())
	never, write := io.Pipe()
	defer write.Close()
	stop(&interruption{os.Interrupt})
	_, err := typed(ctx, never, "instance", "start", "Asks", "--dir", t.TempDir(), "--input", "@-")
	if _, broken := errors.AsType[*interruption](err); !broken {
		t.Errorf("%v", err)
	}
}

func TestTheShellSuggestsFilesOfPayloads(t *testing.T) {
	noContexts(t)
	t.Chdir(t.TempDir())
	for _, name := range []string{"order.json", "orders/a.json", "orders/.hidden", "other\x1b.json"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"instance start A --input @o":         "@order.json @orders/ :6",
		"instance start A --input @orders/":   "@orders/a.json :4",
		"instance raise a E --data @order.":   "@order.json :4",
		"entity signal a b C --data @order.":  "@order.json :4",
		"instance terminate --output @order.": "@order.json :4",
		"instance start A --input o":          ":4",
		"instance start A --input @":          ":4", // bash would put the name behind it
		"instance start A --input @ o":        ":0", // as bash parts it: files
		"instance start A --input {} o":       ":4",
	} {
		out, _, _ := commandLine(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
