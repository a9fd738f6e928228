package arch

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// pureCores lists the packages that must be functions of their inputs.
var pureCores = []string{"engine/netherite/partition"}

// checkPureCore refuses what the import table cannot: statements.
func checkPureCore(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		if f.Test || !withinAny(f.Dir, pureCores) {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.GoStmt:
				what = "a goroutine"
			case *ast.ChanType:
				what = "a channel"
			case *ast.SelectStmt:
				what = "a select"
			case *ast.SendStmt:
				what = "a channel send"
			case *ast.GenDecl:
				if n.Tok == token.VAR && f.unit(n.Pos()) == "" && unsetVar(n) {
					what = "a package variable without a value"
				}
			}
			if what != "" {
				found = append(found, t.at(f, n.Pos(), "%s in the pure core", what))
			}
			return true
		})
	}
	return found, nil
}

// unsetVar reports whether a declaration makes a package variable that only
// later code can fill: state outside of the partition's.
func unsetVar(d *ast.GenDecl) bool {
	for _, s := range d.Specs {
		v := s.(*ast.ValueSpec)
		if len(v.Values) == 0 && v.Names[0].Name != "_" {
			return true
		}
	}
	return false
}

// checkMapOrder refuses iteration over maps in the pure cores unless the line,
// or the one above, says why the order does not matter.
func checkMapOrder(t *Tree) (found []Violation, err error) {
	for _, core := range pureCores {
		files := t.codeOf(core)
		if len(files) == 0 {
			continue
		}
		info, err := t.typeCheck(core, files)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			found = append(found, t.mapLoops(f, info)...)
		}
	}
	return found, nil
}

func (t *Tree) mapLoops(f *File, info *types.Info) (found []Violation) {
	excused, sorted := t.justified(f), map[ast.Node]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.RangeStmt:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Map); ok {
				what = "range over a map"
			}
		case *ast.CallExpr:
			switch name := calledFunc(info, n); name {
			case "slices.Sorted", "slices.SortedFunc", "slices.SortedStableFunc":
				sorted[n.Args[0]] = true
			case "maps.Keys", "maps.Values", "maps.All":
				if !sorted[n] {
					what = name + " without slices.Sorted"
				}
			}
		}
		if what == "" {
			return true
		}
		if line := t.line(n.Pos()); !excused[line] && !excused[line-1] {
			found = append(found, t.at(f, n.Pos(), "%s in the pure core without // sorted: or // order-free:", what))
		}
		return true
	})
	return found
}

// justified lists the lines of f whose comment says why map order is harmless.
func (t *Tree) justified(f *File) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.AST.Comments {
		for _, c := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
			if strings.HasPrefix(text, "sorted:") || strings.HasPrefix(text, "order-free:") {
				lines[t.line(c.Pos())] = true
			}
		}
	}
	return lines
}

func (t *Tree) codeOf(dir string) (files []*File) {
	for _, f := range t.Files {
		if f.Dir == dir && !f.Test {
			files = append(files, f)
		}
	}
	return files
}

// typeCheck computes the types of a package's expressions; its dependencies
// come as export data from the build cache.
func (t *Tree) typeCheck(dir string, files []*File) (*types.Info, error) {
	packages, err := t.goList("-export", "-deps", "./"+dir)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	lookup := func(name string) (io.ReadCloser, error) {
		if exports[name] == "" {
			return nil, fmt.Errorf("no export data of %s", name)
		}
		return os.Open(exports[name])
	}
	var parsed []*ast.File
	for _, f := range files {
		parsed = append(parsed, f.AST)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(t.Fset, "gc", lookup)}
	if _, err := conf.Check(t.Module+"/"+dir, t.Fset, parsed, info); err != nil {
		return nil, fmt.Errorf("type check %s: %w", dir, err)
	}
	return info, nil
}

// calledFunc names the package function that a call calls, as pkg.Func.
func calledFunc(info *types.Info, call *ast.CallExpr) string {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	fn, ok := info.Uses[sel.Sel].(*types.Func)
	if !ok || fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return ""
	}
	return fn.Pkg().Name() + "." + fn.Name()
}

// packageName guesses a package's name from its path: the last element that is
// not a major version.
func packageName(name string) string {
	if majorVersion.MatchString(path.Base(name)) {
		name = path.Dir(name)
	}
	return path.Base(name)
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// importNames maps the names by which f refers to packages to their paths.
func (f *File) importNames() map[string]string {
	names := map[string]string{}
	for _, spec := range f.AST.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser refused it already
		}
		name := packageName(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}
