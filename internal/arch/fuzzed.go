package arch

import (
	"go/ast"
	"regexp"
	"strings"
)

// decoderName matches the names of functions that turn bytes or text into values.
var decoderName = regexp.MustCompile(`^(Decode|Read|Parse|Unmarshal)([A-Z0-9]|$)`)

// checkFuzzed wants a fuzz target for every exported decoder: one in the tests of
// its package that names it, or that uses a function of those tests that does.
func checkFuzzed(t *Tree) (found []Violation, err error) {
	targets := map[string]map[string]bool{}
	for _, f := range t.Files {
		if f.Test || forTests(f.Dir) {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !decoderName.MatchString(fn.Name.Name) {
				continue
			}
			if recv := receiver(fn); recv != "" && !ast.IsExported(recv) {
				continue
			}
			if targets[f.Dir] == nil {
				targets[f.Dir] = t.fuzzedNames(f.Dir)
			}
			if !targets[f.Dir][fn.Name.Name] {
				found = append(found, t.at(f, fn.Pos(), "%s has no fuzz target in the tests of its package", funcName(fn)))
			}
		}
	}
	return found, nil
}

// fuzzedNames are all names that the fuzz targets of a package use, directly or by
// way of other functions and variables of its tests.
func (t *Tree) fuzzedNames(dir string) map[string]bool {
	uses, open := map[string][]string{}, []string{}
	for _, f := range t.Files {
		if !f.Test || f.Dir != dir {
			continue
		}
		for _, d := range f.AST.Decls {
			for _, name := range declared(d) {
				uses[name] = append(uses[name], identifiers(d)...)
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(name, "Fuzz") {
					open = append(open, name)
				}
			}
		}
	}
	seen := map[string]bool{}
	for len(open) > 0 {
		name := open[len(open)-1]
		if open = open[:len(open)-1]; !seen[name] {
			seen[name] = true
			open = append(open, uses[name]...)
		}
	}
	return seen
}

// declared lists the functions and variables that a declaration declares.
func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{d.Name.Name}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				for _, id := range v.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}

func identifiers(n ast.Node) (names []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			names = append(names, id.Name)
		}
		return true
	})
	return names
}
