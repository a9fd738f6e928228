package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
)

// forged is a text that steers a terminal, and has lines that look like the command's.
const forged = "x\x1b[31m\u009b2J\u202e\u2028\x7f\r\nstatus:        Completed\n2026-01-02T03:04:05.000000000Z  ExecutionStarted\nnetherite: forged\n│ row │\tcell\n"

// column0 is what a forged line begins with, where it is taken for one of the command's.
var column0 = regexp.MustCompile(`(?m)^(status:        Completed|2026-01-02T03|netherite: forged|│ row │)`)

// harmless reports what of an output is not.
func harmless(t *testing.T, what, out string) {
	t.Helper()
	if rest := strings.NewReplacer("\n", "", "\t", "").Replace(out); !terminal.Clean(rest) {
		t.Errorf("%s steers the terminal: %q", what, out)
	}
	if at := column0.FindStringIndex(out); at != nil {
		t.Errorf("%s has a forged line:\n%s", what, out)
	}
}

// forge fills all texts of a value with one.
func forge(v reflect.Value, depth int) {
	text := forged + "\xff"
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 5 {
			v.Set(reflect.New(v.Type().Elem()))
			forge(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				forge(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.Set(reflect.ValueOf([]byte(text)).Convert(v.Type()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		forge(v.Index(0), depth+1)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		forge(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString(text)
	case reflect.Interface:
		if v.Type().NumMethod() == 0 {
			v.Set(reflect.ValueOf(text))
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func forgedValue[T any]() *T {
	v := new(T)
	forge(reflect.ValueOf(v).Elem(), 0)
	return v
}

// TestNoColumnShowsWhatATerminalActsOn: each output of the command, of values all of
// whose texts are forged.
func TestNoColumnShowsWhatATerminalActsOn(t *testing.T) {
	i, shown := forgedValue[model.Instance](), forgedValue[instanceJSON]()
	i.Status, i.Failure.Cause = model.Running, nil
	events := []model.Event{}
	for kind := model.Kind(0); kind < 64; kind++ {
		e := forgedValue[model.Event]()
		e.Kind, e.Failure.Cause = kind, nil
		events = append(events, *e)
	}
	unlisted := forgedValue[netherite.RepairReport]()
	unlisted.Rows[0].Unlisted = false
	list := hubsJSON{Hubs: []string{forged}, Broken: []brokenJSON{{forged, forged}}}
	for what, show := range map[string]func(io.Writer) error{
		"show": func(w io.Writer) error { return printInstance(w, shown, false) },
		"get":  func(w io.Writer) error { return printInstance(w, toJSON(i), false) },
		"list": func(w io.Writer) error {
			return printPage(w, w, engine.Page{Instances: []*model.Instance{i}, Token: forged}, false)
		},
		"history":       func(w io.Writer) error { return printHistory(w, events, false) },
		"show -o json":  func(w io.Writer) error { return printInstance(w, shown, true) },
		"show -o yaml":  func(w io.Writer) error { return printInstance(yamlOut{w}, shown, true) },
		"tail":          func(w io.Writer) error { return (&tail{out: w}).status(i) },
		"tail of state": func(w io.Writer) error { return (&tail{out: w}).status(&model.Instance{Entity: i.Entity}) },
		"tail of custom": func(w io.Writer) error {
			return (&tail{out: w}).status(&model.Instance{CustomStatus: []byte(forged)})
		},
		"dry run":  func(w io.Writer) error { lineOf(i).print(w); return nil },
		"repair":   func(w io.Writer) error { printRepair(w, forgedValue[netherite.RepairReport]()); return nil },
		"rows":     func(w io.Writer) error { printRepair(w, unlisted); return nil },
		"inspect":  func(w io.Writer) error { printReport(w, forgedValue[netherite.Report]()); return nil },
		"hub list": func(w io.Writer) error { list.print(w); return nil },
		"key list": func(w io.Writer) error {
			printKeys(w, []keyJSON{*forgedValue[keyJSON]()})
			return nil
		},
		"context list": func(w io.Writer) error { forgedValue[contexts]().print(w); return nil },
		"demo":         func(w io.Writer) error { printDemo(w, []*bench.Result{forgedValue[bench.Result]()}); return nil },
		"bench": func(w io.Writer) error {
			return printed(w, "x", func(b *bytes.Buffer) { printResult(b, forgedValue[bench.Result]()) })
		},
		"bench --compare": func(w io.Writer) error {
			return printed(w, "x", func(b *bytes.Buffer) { printComparison(b, *forgedValue[rows.Comparison]()) })
		},
		"error":       func(w io.Writer) error { complain(w, errors.New(forged+"\xff")); return nil },
		"many errors": func(w io.Writer) error { complain(w, errors.Join(errors.New(forged), errors.New(forged))); return nil },
	} {
		var out strings.Builder
		if err := show(&out); err != nil || out.Len() == 0 {
			t.Errorf("%s: %v %q", what, err, out.String())
		}
		harmless(t, what, out.String())
	}
}

// TestNoVerbShowsWhatATerminalActsOn: what clients and workers have chosen, by all verbs.
func TestNoVerbShowsWhatATerminalActsOn(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	breaks := durable.Activity(forged, func(context.Context, string) (string, error) { return "", errors.New(forged) })
	code := []durable.Handler{
		breaks, durable.Orchestration("Forged"+forged, func(ctx *durable.Context, _ string) (string, error) { return breaks.Call(ctx, forged).Await() }),
		durable.Orchestration("Waits"+forged, func(ctx *durable.Context, _ string) (string, error) {
			return durable.Event[string](forged).Wait(ctx, durable.Forever)
		}),
	}
	far, err := remote.Dial(s.Place().GRPC[0], netherite.Serve(code...), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close(context.Background()) }()
	c := far.Engine()
	for id, name := range map[string]string{"failed": "Forged" + forged, "waits": "Waits" + forged} {
		if _, err := c.Start(t.Context(), engine.StartRequest{Instance: id, Name: name, Version: forged, Input: []byte(`"` + "\u009b" + `"`), Tags: map[string]string{forged: forged}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.Wait(t.Context(), "failed", engine.UntilEnded, engine.GetOptions{})
	if err == nil {
		_, err = c.Wait(t.Context(), "waits", engine.UntilStarted, engine.GetOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(t.Context(), engine.SignalRequest{Entity: "@account@k", Operation: forged}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"instance list", "instance list -o json", "instance list -o yaml", "instance show failed", "instance show waits", "instance show failed -o json", "instance show waits -o yaml",
		"instance history failed", "instance history waits -o json", "instance wait failed", "instance tail failed", "instance tail failed -o yaml",
		"instance terminate waits --dry-run", "instance terminate --all --dry-run", "instance purge --all --dry-run", "instance suspend waits --reason " + forged[:5], "instance resume waits",
		"instance rewind failed --dry-run", "instance raise waits " + strings.ReplaceAll(forged, " ", "_"), "instance restart failed", "instance start " + forged[:6],
		"entity list", "entity get account k", "entity get account " + forged[:4], "entity signal account k " + forged[:4],
		"hub list", "hub delete " + forged[:4] + " --yes", "instance list --hub " + forged[:4], "instance show " + forged[:4], "instance list --context " + forged[:4], "nothing" + forged[:4],
		"instance list --no" + forged[:4], "__complete instance start --server " + s.Place().GRPC[0] + " ?", "__complete instance show --server " + s.Place().GRPC[0] + " ?",
		"__complete instance raise --server " + s.Place().GRPC[0] + " waits ?", "__complete instance list --server " + s.Place().GRPC[0] + " --name ?",
	} {
		args := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' })
		if args[0] != "__complete" && args[0] != "nothing"+forged[:4] {
			args = append(args, "--server", s.Place().GRPC[0])
		}
		if args[len(args)-1] == "?" {
			args[len(args)-1] = "" // a word that nothing is typed of
		}
		out, errs, _ := commandLine(t, args...)
		harmless(t, line, out)
		harmless(t, line, errs)
		if args[0] == "__complete" && strings.Contains(out, `\x1b`) && !strings.Contains(out, "failed\t") {
			t.Errorf("%s suggests a word that is not the name: %q", line, out)
		}
	}
	if out, _, _ := commandLine(t, "instance", "show", "failed", "--server", s.Place().GRPC[0]); !strings.Contains(out, "\n               netherite: forged\n") {
		t.Errorf("the lines of a failure are not behind each other:\n%s", out)
	}
}

func TestAPayloadIsShownAsItIsUnlessItHasSeveralLines(t *testing.T) {
	for payload, want := range map[string]string{
		`{"a": 1}`: `{"a": 1}`, "{\n  \"a\": \"b c\"\n}": `{"a":"b c"}`, "\"\u009b\"": `"\u009b"`, "no\nJSON": `no\nJSON`,
	} {
		if got := payloadText([]byte(payload)); string(got) != want {
			t.Errorf("%q: %s, want %s", payload, got, want)
		}
	}
}

// TestJSONOfForgedTextsMeansThem: escapes in the place of characters are the same text.
func TestJSONOfForgedTextsMeansThem(t *testing.T) {
	var out strings.Builder
	var got instanceJSON
	err := printInstance(&out, &instanceJSON{Name: forged, Input: json.RawMessage("\"\u009b\"")}, true)
	if err = errors.Join(err, json.Unmarshal([]byte(out.String()), &got)); err != nil || got.Name != forged || got.Input != "\u009b" {
		t.Errorf("%v %+v from %s", err, got, out.String())
	}
}

// TestAllThatIsPrintedGoesThroughOnePlace: by package terminal, or a table of output.go.
func TestAllThatIsPrintedGoesThroughOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	past := []string{"fmt.Fprint", "fmt.Fprintf", "fmt.Fprintln", "fmt.Print", "fmt.Printf", "fmt.Println", "io.WriteString", "table.NewWriter"}
	allowed := map[string]string{"table.go": "table.NewWriter", "yaml.go": "fmt.Fprintf io.WriteString"}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := call.X.(*ast.Ident); ok {
				if what := of.Name + "." + call.Sel.Name; slices.Contains(past, what) && !slices.Contains(strings.Fields(allowed[name]), what) {
					t.Errorf("%s: %s: use package terminal, or newTable", set.Position(n.Pos()), what)
				}
			}
			return true
		})
	}
}
