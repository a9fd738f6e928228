package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// documentedBetween reads the field names in a passage of docs/cli.md, as paths
// with dots: those in brackets belong to the name before them, those behind a
// colon to the name before it, up to the end.
func documentedBetween(t *testing.T, from, to string) map[string]bool {
	t.Helper()
	data, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, passage, found := strings.Cut(string(data), from)
	passage, _, found2 := strings.Cut(passage, to)
	if !found || !found2 {
		t.Fatalf("docs/cli.md has no passage from %q to %q", from, to)
	}
	fields := map[string]bool{}
	base, last, bracket := "", "", ""
	for _, token := range regexp.MustCompile("`[A-Za-z]+`|[(:)]").FindAllString(passage, -1) {
		switch token {
		case "(":
			bracket = strings.TrimPrefix(last+".", base)
		case ")":
			bracket = ""
		case ":":
			base = last + "."
		default:
			path := base + bracket + strings.Trim(token, "`")
			fields[path] = true
			if bracket == "" {
				last = path
			}
		}
	}
	return fields
}

// printedFields collects the paths of the fields in a JSON value. What users
// chose, or is described elsewhere, counts as one.
func printedFields(t *testing.T, printed []byte, whole ...string) map[string]bool {
	t.Helper()
	var v any
	if err := json.Unmarshal(printed, &v); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	fields := map[string]bool{}
	var walk func(base string, v any)
	walk = func(base string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(base, e)
			}
		case map[string]any:
			for name, e := range v {
				fields[base+name] = true
				if !slices.Contains(whole, name) {
					walk(base+name+".", e)
				}
			}
		}
	}
	walk("", v)
	return fields
}

var (
	opaqueOfInstance = []string{"input", "output", "customStatus", "tags", "cause", "state"}
	opaqueOfEvent    = []string{"payload", "tags", "failure"}
)

func documentedInstance(t *testing.T) map[string]bool {
	return documentedBetween(t, "prints an instance as one object:", "Payloads are shown")
}

func documentedEvent(t *testing.T) map[string]bool {
	return documentedBetween(t, "prints a list of events:", "what it has.")
}

// sameFields reports fields that only one side has.
func sameFields(t *testing.T, what string, printed, documented map[string]bool) {
	t.Helper()
	p, d := slices.Sorted(maps.Keys(printed)), slices.Sorted(maps.Keys(documented))
	if !slices.Equal(p, d) {
		t.Errorf("%s prints\n%v\ndocs/cli.md has\n%v", what, p, d)
	}
}

// fill gives all fields a value; a type that contains itself ends after one more.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 4 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
	case reflect.Interface, reflect.String:
		v.Set(reflect.ValueOf("x"))
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(1)
	}
}

func TestJSONOfAnInstanceHasTheDocumentedFields(t *testing.T) {
	j := &instanceJSON{}
	fill(reflect.ValueOf(j).Elem(), 0)
	var out bytes.Buffer
	if err := printInstance(&out, j, true); err != nil {
		t.Fatal(err)
	}
	sameFields(t, "show -o json", printedFields(t, out.Bytes(), opaqueOfInstance...), documentedInstance(t))
}

func TestJSONOfAListHasTheDocumentedFields(t *testing.T) {
	var out bytes.Buffer
	page := engine.Page{Instances: []*model.Instance{{ID: "a"}}, Token: "more"}
	if err := printPage(&out, io.Discard, page, true); err != nil {
		t.Fatal(err)
	}
	sameFields(t, "list -o json", printedFields(t, out.Bytes(), "instances"), map[string]bool{"instances": true, "continuationToken": true})
	data, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("`{\"instances\": [...], \"continuationToken\": \"...\"}`")) {
		t.Error("docs/cli.md does not say what list -o json prints")
	}
}

func TestJSONOfAHistoryHasTheDocumentedFields(t *testing.T) {
	// No event has all: one that answers, and one that ends, have them together.
	full := model.Event{
		ID: 1, Ref: 2, Time: 1, FireAt: 1, Name: "x", Version: "x", Instance: "x", RequestID: "x", Payload: []byte("1"), Failure: &model.Failure{Type: "x"},
		Ext: &model.Ext{Execution: model.ExecutionID{1}, Tags: map[string]string{"k": "v"}, Attempt: 2, LockSet: []string{"x"}},
	}
	answer, end := full, full
	answer.Kind, end.Kind = model.TaskCompleted, model.ExecutionCompleted
	var out bytes.Buffer
	if err := printHistory(&out, []model.Event{answer, end}, true); err != nil {
		t.Fatal(err)
	}
	sameFields(t, "history -o json", printedFields(t, out.Bytes(), opaqueOfEvent...), documentedEvent(t))
}

// What the command prints of a real hub has no field beside those, and always
// those that a script relies on.
func TestJSONOfTheCommandIsDocumented(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	hub, err := netherite.Open(dir, netherite.Serve(handlers...), netherite.Partitions(2), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closeHub(hub); err != nil {
			t.Error(err)
		}
	}()
	verb := func(args ...string) []byte {
		code, stdout, stderr := command(ctx, append(append([]string{"instance"}, args...), "--dir", dir)...)
		if code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	for _, name := range []string{"Greets", "Breaks"} {
		verb("start", name, "--id", name, "--tag", "k=v", "--input", `{"a": 1}`)
		verb("wait", name)
	}
	verb("start", "Asks", "--id", "Asks")
	if _, err := hub.Engine().Wait(ctx, "Asks", engine.UntilStarted, engine.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	documented := documentedInstance(t)
	always := []string{"instanceId", "name", "version", "runtimeStatus", "input", "output", "customStatus", "createdTime", "lastUpdatedTime", "tags", "executionId", "failure"}
	for _, name := range []string{"Greets", "Breaks", "Asks"} {
		within(t, name, printedFields(t, verb("show", name, "-o", "json"), opaqueOfInstance...), documented, always)
		within(t, name, printedFields(t, verb("history", name, "-o", "json"), opaqueOfEvent...), documentedEvent(t), []string{"eventType", "timestamp", "eventId"})
	}
	var page struct{ Instances []json.RawMessage }
	if err := json.Unmarshal(verb("list", "-o", "json"), &page); err != nil || len(page.Instances) != 3 {
		t.Fatalf("%d instances, %v", len(page.Instances), err)
	}
	for _, i := range page.Instances {
		within(t, "list", printedFields(t, i, opaqueOfInstance...), documented, always)
	}
}

// within reports fields that are not documented, and those that are missing.
func within(t *testing.T, what string, printed, documented map[string]bool, always []string) {
	t.Helper()
	for name := range printed {
		if !documented[name] {
			t.Errorf("%s: docs/cli.md does not have %s", what, name)
		}
	}
	for _, name := range always {
		if !printed[name] {
			t.Errorf("%s: %s is missing", what, name)
		}
	}
}
