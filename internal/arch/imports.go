package arch

import (
	"path"
	"strconv"
	"strings"
)

// importRule says what the packages that match may import, in code that is not
// a test. The first row that matches a package counts.
type importRule struct {
	packages string   // pattern, see within
	ours     []string // patterns of packages of this module
	std      []string // nil: all of the standard library
	theirs   []string // prefixes of other modules' packages
	why      string
}

// pureStd is what a function of its inputs needs of the standard library: time
// for durations only, its clock is a banned call.
var pureStd = []string{
	"bytes", "cmp", "container/heap", "crypto/sha256", "encoding/binary", "encoding/hex", "errors", "fmt", "hash/crc32", "hash/fnv", "iter",
	"maps", "math", "math/bits", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

const (
	pebble = "github.com/cockroachdb/pebble/v2"
	xxhash = "github.com/cespare/xxhash/v2"
	otel   = "go.opentelemetry.io/otel"
)

// importRules is the picture of the layers (ARCHITECTURE.md) as a table.
var importRules = []importRule{
	{packages: "model", theirs: []string{xxhash},
		why: "the narrow waist is plain data: everything may import it, it imports nothing"},
	{packages: "engine", ours: []string{"model"},
		why: "the contract between languages and engines knows neither"},
	{packages: "engine/enginetest", ours: []string{"model", "engine", "worker", "durable"},
		why: "one conformance suite for every engine sees only the contract, and writes its workflows as users do"},
	{packages: "engine/netherite/partition", ours: []string{"model", "engine"}, std: pureStd, theirs: []string{xxhash},
		why: "a pure state machine has no clock, disk, network, goroutine, lock, logger or random source"},
	{packages: "engine/netherite/...", ours: []string{"model", "engine", "engine/netherite/...", "substrate", "substrate/sysclock"}, theirs: []string{xxhash, pebble + "/vfs", otel},
		why: "an engine reaches the world through substrate's interfaces and knows no language"},
	{packages: "substrate", theirs: []string{pebble + "/vfs"},
		why: "the interfaces belong to their consumer and know no implementation"},
	{packages: "substrate/substratetest", ours: []string{"substrate"}, theirs: []string{pebble + "/vfs"},
		why: "one conformance suite for every implementation sees only the interfaces"},
	{packages: "substrate/...", ours: []string{"substrate", "substrate/dirsync"}, theirs: []string{pebble, xxhash, "golang.org/x/sys"},
		why: "an implementation of a substrate imports no other, so each can be left out"},
	{packages: "engine/rewind", ours: []string{"model", "engine"}, std: pureStd,
		why: "which histories there are to go on from is a function of one history, for workers and for doors"},
	{packages: "worker/...", ours: []string{"model", "engine", "engine/rewind", "worker/..."}, theirs: []string{otel},
		why: "what runs work items knows the contract, not an engine"},
	{packages: "durable/durabletest", ours: []string{".", "durable", "worker", "model", "engine", "engine/netherite", "substrate", "substrate/mem", "substrate/faultfs"}, theirs: []string{otel},
		why: "the test kit wires a hub in memory"},
	{packages: "durable/...", ours: []string{"durable/...", "worker/...", "model", "engine"}, theirs: []string{otel},
		why: "a language compiles to the model and talks to any engine"},
	{packages: ".", ours: []string{"durable", "worker/...", "model", "engine", "engine/netherite", "substrate/...", "door/owner"}, theirs: []string{otel, pebble + "/vfs"},
		why: "the embedded hub wires a language, an engine, files and the owner's socket; no other doors"},
	{packages: "door/owner", ours: []string{"model", "engine"},
		why: "a door is a protocol over the contract: it knows no language, no engine and no other door"},
	{packages: "door/durabletask/wire", theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf"},
		why: "generated code of a protocol knows the protocol only"},
	{packages: "door/durabletask/...", ours: []string{"model", "engine", "engine/rewind", "door/durabletask/...", "substrate", "substrate/sysclock", "worker/spans"}, theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf", otel},
		why: "a door is a protocol over the contract: it knows no language, no engine and no other door; it makes the spans of workers that make none"},
	{packages: "door/httpapi", ours: []string{"model", "engine", "substrate", "substrate/sysclock"},
		why: "a door is a protocol over the contract: it knows no language, no engine and no other door"},
	{packages: "door/gate", ours: []string{"substrate", "substrate/sysclock"}, theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4"},
		why: "who may come in is decided without knowing what is behind the doors"},
	{packages: "server/keyfile", ours: []string{"door/gate", "substrate/dirsync"}, theirs: []string{"go.yaml.in/yaml/v3", pebble + "/vfs"},
		why: "a file of keys is read by the server and written by the command"},
	{packages: "server/config", ours: []string{"durable/durablehttp", ".", "model", "engine", "server", "door/gate"}, theirs: []string{"github.com/knadh/koanf", "go.yaml.in/yaml/v3", "github.com/spf13/pflag"},
		why: "where settings come from is no business of what they are for"},
	{packages: "server", ours: []string{".", "model", "engine", "door/...", "durable/durablehttp", "server/keyfile", "substrate", "substrate/sysclock", "substrate/dirsync", "substrate/dirlock"}, theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/prometheus/client_golang", otel, "github.com/go-logr/logr", pebble + "/vfs"},
		why: "the server is an assembly of doors before embedded hubs"},
	{packages: "remote", ours: []string{".", "durable", "worker", "model", "engine", "door/durabletask/..."}, theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf", otel},
		why: "a hub behind a server is the protocol of the door, worn by a client and a worker"},
	{packages: "e2e/sdktest", ours: []string{"e2e/...", "door/durabletask/wire"}, theirs: []string{"google.golang.org/grpc", "google.golang.org/protobuf", "go.uber.org/goleak"},
		why: "who audits what real programs have done reads histories over the protocol, with its messages alone"},
	{packages: "e2e/...", ours: []string{"e2e/..."},
		why: "what tests the command with real programs uses the command, not its packages"},
	{packages: "sim/check", ours: []string{"model", "substrate"},
		why: "who judges a simulation knows the contracts, and not how an engine keeps them"},
	{packages: "sim", ours: []string{"sim/check", "durable", "worker", "model", "engine", "engine/netherite", "engine/netherite/partition", "substrate/..."}, theirs: []string{pebble + "/vfs"},
		why: "a simulation wires the production code to substrates that misbehave; no doors"},
	{packages: "bench/report", ours: []string{"bench", "bench/rows"}, theirs: []string{"github.com/go-analyze/charts"},
		why: "charts are drawn in one place, which only the command links"},
	{packages: "bench/...", ours: []string{".", "durable", "model", "engine", "bench/...", "substrate/dirlock"}, theirs: []string{"github.com/HdrHistogram/hdrhistogram-go", pebble + "/vfs"},
		why: "workloads are programs like a user's; the disk is probed under the directory's lock"},
	{packages: "examples/...", ours: []string{".", "durable", "durable/durabletest"},
		why: "an example uses what a user would"},
	{packages: "cmd/...", ours: []string{"..."}, theirs: []string{""},
		why: "the binary wires everything"},
	{packages: "internal/hubtest", ours: []string{"durable", "worker", "model", "engine", "engine/netherite", "substrate/..."},
		why: "tests of whole hubs, with what no user can set, wire them like the command does"},
	{packages: "internal/arch", theirs: []string{"golang.org/x/tools/txtar"},
		why: "a checker must not depend on what it checks"},
	{packages: "internal/leaktest", theirs: []string{"go.uber.org/goleak"},
		why: "what looks at goroutines knows none of those who start them"},
	{packages: "internal/planted/hunt", ours: []string{"sim"},
		why: "who looks for a planted bug is the simulator alone"},
	{packages: "internal/platforms", theirs: []string{"golang.org/x/tools/go/packages"},
		why: "who checks the types of all packages needs none of them"},
	{packages: "internal/...", ours: []string{"model", "internal/..."}, theirs: []string{"golang.org/x/sys", pebble + "/vfs"},
		why: "internal packages serve all layers and so stand below them"},
}

func checkImports(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		if f.Test {
			continue
		}
		rule := importRuleFor(f.Dir)
		if rule == nil {
			found = append(found, Violation{Path: f.Path, Text: "package " + f.Dir + " has no row in the table of allowed imports"})
			continue
		}
		for _, spec := range f.AST.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			if !rule.allows(t.Module, name) {
				found = append(found, t.at(f, spec.Pos(), "%s may not import %s: %s", f.Dir, name, rule.why))
			}
		}
	}
	return found, nil
}

func importRuleFor(dir string) *importRule {
	for i := range importRules {
		if within(dir, importRules[i].packages) {
			return &importRules[i]
		}
	}
	return nil
}

func (r *importRule) allows(module, name string) bool {
	switch rel, ours := relative(module, name); {
	case ours:
		return withinAny(rel, r.ours) || internalHelper(rel)
	case standard(name):
		return r.std == nil || withinAny(name, r.std)
	}
	for _, p := range r.theirs {
		if p == "" || name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

// internalHelper reports whether a package of ours serves all layers.
func internalHelper(rel string) bool {
	return strings.HasPrefix(rel, "internal/") && rel != "internal/arch" && rel != "internal/readme" && rel != "internal/hubtest"
}

// relative strips the module path, "." for the root package.
func relative(module, name string) (rel string, ours bool) {
	if name == module {
		return ".", true
	}
	rel, ours = strings.CutPrefix(name, module+"/")
	return rel, ours
}

// standard reports whether an import path is of the standard library: those
// have no dot in their first element.
func standard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

// forTests reports whether a package is for tests only, as its name says.
func forTests(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

func checkTestingImport(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		if f.Test || forTests(f.Dir) {
			continue
		}
		for _, spec := range f.AST.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); name == "testing" || strings.HasPrefix(name, "testing/") {
				found = append(found, t.at(f, spec.Pos(), "imports %s outside of tests and *test packages", name))
			}
		}
	}
	return found, nil
}
