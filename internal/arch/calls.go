package arch

import (
	"go/ast"
	"slices"
	"strings"
)

// scope says in which files a ban holds.
type scope uint8

const (
	inCode scope = 1 << iota
	inTests
	everywhere = inCode | inTests
)

// ban forbids the use of package-level names.
type ban struct {
	pkg    string   // import path
	names  []string // nil: every name
	scope  scope
	except []string // patterns of packages
	why    string
}

var bans = []ban{
	{pkg: "time", names: []string{"Sleep"}, scope: everywhere,
		why: "a sleep is a race with a guess: wait for a signal, or use virtual time"},
	{pkg: "time", names: []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, scope: inCode,
		except: []string{"substrate/sysclock", "cmd/...", "bench/...", "examples/...", "internal/..."},
		why:    "time comes from the injected clock, so that tests and the simulator own it"},
	{pkg: "fmt", names: []string{"Print", "Printf", "Println"}, scope: inCode, except: []string{"cmd/...", "examples/...", "internal/planted/hunt", "internal/platforms"},
		why: "a library does not write to its host's standard output"},
	{pkg: "log", scope: everywhere, except: []string{"examples/..."},
		why: "the library logs through the slog.Logger it was given"},
	{pkg: "os", names: []string{"Exit"}, scope: inCode, except: []string{"cmd/...", "examples/...", "internal/planted/...", "internal/platforms"},
		why: "a library does not end its host"},
	{pkg: "math/rand", scope: everywhere,
		why: "a process-wide random source cannot be replayed: use a seeded math/rand/v2 generator that is passed in"},
	{pkg: "math/rand/v2", names: []string{"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint32", "Uint64", "Uint64N", "N", "Float64", "Perm", "Shuffle"}, scope: everywhere,
		why: "a process-wide random source cannot be replayed: use a seeded generator that is passed in"},
}

func checkBannedCalls(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		names, here := f.importNames(), inCode
		if f.Test {
			here = inTests
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || names[x.Name] == "" {
				return true
			}
			for _, b := range bans {
				if b.pkg == names[x.Name] && b.scope&here != 0 && (b.names == nil || slices.Contains(b.names, sel.Sel.Name)) && !withinAny(f.Dir, b.except) {
					found = append(found, t.at(f, n.Pos(), "%s.%s: %s", x.Name, sel.Sel.Name, b.why))
				}
			}
			return true
		})
		if f.Test {
			found = append(found, t.skips(f)...)
		}
	}
	return found, nil
}

// skips finds tests that skip, also those that just say so and return: a missing
// piece is a failure.
func (t *Tree) skips(f *File) (found []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if d, ok := n.(*ast.FuncDecl); ok {
			found = append(found, t.excuses(f, d)...)
			return true
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) {
				found = append(found, t.at(f, n.Pos(), "%s.%s: a test that does not run proves nothing", x.Name, sel.Sel.Name))
			}
		}
		return true
	})
	return found
}

// excuses finds the steps of a test, not of its loops and closures, that log something
// and end it.
func (t *Tree) excuses(f *File, d *ast.FuncDecl) (found []Violation) {
	if d.Recv != nil || d.Body == nil || !strings.HasPrefix(d.Name.Name, "Test") {
		return nil
	}
	for _, step := range d.Body.List {
		if s, ok := step.(*ast.IfStmt); ok && logsAndReturns(s.Body.List) {
			found = append(found, t.at(f, s.Pos(), "%s logs and returns: a test that does not run proves nothing", d.Name.Name))
		}
	}
	return found
}

// logsAndReturns reports whether all that is done is to log, and then to return.
func logsAndReturns(steps []ast.Stmt) bool {
	if len(steps) < 2 {
		return false
	}
	if r, ok := steps[len(steps)-1].(*ast.ReturnStmt); !ok || r.Results != nil {
		return false
	}
	for _, step := range steps[:len(steps)-1] {
		x, ok := step.(*ast.ExprStmt)
		if !ok {
			return false
		}
		call, ok := x.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Log" && sel.Sel.Name != "Logf" {
			return false
		}
	}
	return true
}

func checkPanics(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		if f.Test || forTests(f.Dir) {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					found = append(found, t.at(f, n.Pos(), "panic in %s: return an error, or list it with its reason", f.unit(n.Pos())))
				}
			}
			return true
		})
	}
	return found, nil
}
