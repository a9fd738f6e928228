package arch

import (
	"errors"
	"go/ast"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// decoderName matches the names of functions that turn bytes or text into values.
var decoderName = regexp.MustCompile(`^(Decode|Read|Parse|Unmarshal)([A-Z0-9]|$)`)

// insideName matches those of functions that do so inside of a package, if they are
// given text or bytes; readName those that do if they are given bytes, as text is often
// the name of what they read.
var (
	insideName = regexp.MustCompile(`^(decode|parse|unmarshal)([A-Z0-9]|$)`)
	readName   = regexp.MustCompile(`^read([A-Z0-9]|$)`)
)

// decoders are calls that turn bytes into values: of packages of the standard library and
// of the protocol.
var decoders = regexp.MustCompile(`^(json|proto|protobuf|protojson|gob|xml)\.(Unmarshal|NewDecoder)$|^protowire\.Consume|^extra\.Get$|^translate\.Fields$|^strconv\.Unquote$`)

// checkFuzzed wants a fuzz target for every exported decoder: one in the tests of
// its package that names it, or that uses a function of those tests that does. For one
// that is not exported and is given bytes or text, or one that by its name is none and
// calls decoders, the target may come to it by way of the package's own functions.
// Functions are told apart by their names alone.
func checkFuzzed(t *Tree) (found []Violation, err error) {
	targets := map[bool]map[string]map[string]bool{true: {}, false: {}}
	for _, f := range t.Files {
		if f.Test || forTests(f.Dir) || ast.IsGenerated(f.AST) {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			recv, inside := receiver(fn), false
			switch name := fn.Name.Name; {
			case decoderName.MatchString(name) && (recv == "" || ast.IsExported(recv)):
			case insideName.MatchString(name) && takes(fn, isText), readName.MatchString(name) && takes(fn, isBytes), decodes(fn):
				inside = true
			default:
				continue
			}
			names := targets[inside]
			if names[f.Dir] == nil {
				names[f.Dir] = t.fuzzedNames(f.Dir, inside)
			}
			if !names[f.Dir][fn.Name.Name] {
				found = append(found, t.at(f, fn.Pos(), "%s has no fuzz target in the tests of its package", funcName(fn)))
			}
		}
	}
	return found, nil
}

// takes reports whether a parameter of fn is of a type.
func takes(fn *ast.FuncDecl, is func(ast.Expr) bool) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool { return is(p.Type) })
}

// isText reports whether a type is bytes or text.
func isText(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == "string" || isBytes(x)
}

func isBytes(x ast.Expr) bool {
	list, ok := x.(*ast.ArrayType)
	if !ok || list.Len != nil {
		return false
	}
	id, ok := list.Elt.(*ast.Ident)
	return ok && id.Name == "byte"
}

// decodes reports whether fn itself hands what it was given to a decoder of a format
// that others have defined, whatever its name is.
func decodes(fn *ast.FuncDecl) (found bool) {
	if fn.Body == nil {
		return false
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				found = found || decoders.MatchString(types.ExprString(sel))
			}
		}
		return !found
	})
	return found
}

// fuzzedNames are all names that the fuzz targets of a package use, directly or by
// way of other functions and variables of its tests, and of its code if that counts.
func (t *Tree) fuzzedNames(dir string, code bool) map[string]bool {
	uses, open := map[string][]string{}, []string{}
	for _, f := range t.Files {
		if f.Dir != dir || !f.Test && !code {
			continue
		}
		for _, d := range f.AST.Decls {
			for _, name := range declared(d) {
				uses[name] = append(uses[name], identifiers(d)...)
				if fn, ok := d.(*ast.FuncDecl); ok && f.Test && fn.Recv == nil && strings.HasPrefix(name, "Fuzz") {
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

// checkCorpus wants inputs for every fuzz target in testdata, where all tests run them.
func checkCorpus(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !f.Test || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			dir := path.Join(f.Dir, "testdata/fuzz", fn.Name.Name)
			inputs, err := os.ReadDir(filepath.Join(t.Root, filepath.FromSlash(dir)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if len(inputs) == 0 {
				found = append(found, t.at(f, fn.Pos(), "%s has no inputs in %s", fn.Name.Name, dir))
			}
		}
	}
	return found, nil
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
