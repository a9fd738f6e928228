package arch

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

const goleak = "go.uber.org/goleak"

// checkLeaks wants a look for leaked goroutines at the end of the tests of every
// package that starts any: a TestMain that uses goleak, or a function of another
// package of this module that does.
func checkLeaks(t *Tree) (found []Violation, err error) {
	checked := map[string]bool{}
	for _, f := range t.Files {
		if f.Test && t.checksLeaks(f) {
			checked[f.Dir] = true
		}
	}
	for _, f := range t.Files {
		if f.Test || checked[f.Dir] {
			continue
		}
		if pos := startsGoroutine(f); pos.IsValid() {
			checked[f.Dir] = true // told once
			found = append(found, Violation{Path: f.Dir, Line: 0, Text: "starts goroutines (" + t.Fset.Position(pos).String() + "), and no TestMain of its tests uses goleak"})
		}
	}
	return found, nil
}

// startsGoroutine finds the first go statement, or call of a method Go, as that of
// sync.WaitGroup.
func startsGoroutine(f *File) (first token.Pos) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if first.IsValid() {
			return false
		}
		switch n := n.(type) {
		case *ast.GoStmt:
			first = n.Pos()
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" {
				first = n.Pos()
			}
		}
		return true
	})
	return first
}

// checksLeaks reports whether f has a TestMain that looks for leaks.
func (t *Tree) checksLeaks(f *File) bool {
	main := function(f, "TestMain")
	if main == nil {
		return false
	}
	return slices.ContainsFunc(calls(f, main), func(c call) bool {
		if c.pkg == goleak {
			return true
		}
		dir, ours := strings.CutPrefix(c.pkg, t.Module+"/")
		return ours && slices.ContainsFunc(t.Files, func(g *File) bool {
			fn := function(g, c.name)
			return g.Dir == dir && !g.Test && fn != nil && slices.ContainsFunc(calls(g, fn), func(c call) bool { return c.pkg == goleak })
		})
	})
}

// function finds a function of a file by its name.
func function(f *File, name string) *ast.FuncDecl {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
			return fn
		}
	}
	return nil
}

// call is a call of a function of another package.
type call struct{ pkg, name string }

// calls lists the functions of other packages that fn calls itself.
func calls(f *File, fn *ast.FuncDecl) (all []call) {
	names := f.importNames()
	ast.Inspect(fn, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && names[x.Name] != "" {
					all = append(all, call{names[x.Name], sel.Sel.Name})
				}
			}
		}
		return true
	})
	return all
}
