package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Tree is the parsed source of a module.
type Tree struct {
	Root   string // directory of go.mod
	Module string // module path
	Fset   *token.FileSet
	Files  []*File
	Texts  []string // other files that people read and run, relative paths
}

// File is one Go file, whatever its build constraints.
type File struct {
	Path  string // relative to the root, with slashes
	Dir   string // of Path; "." for the root package
	Test  bool   // its name ends in _test.go
	Lines int
	Src   []byte
	AST   *ast.File
}

// Load reads the module in root, without testdata and hidden directories.
func Load(root string) (*Tree, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("load module: %w", err)
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	t := &Tree{Root: root, Module: strings.TrimSpace(strings.TrimPrefix(first, "module")), Fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipDir(rel, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		return t.add(filepath.ToSlash(rel))
	})
	return t, err
}

func skipDir(rel, base string) bool {
	switch base {
	case "testdata", "bin", "dist":
		return true
	}
	return rel != "." && strings.HasPrefix(base, ".") && base != ".ci"
}

func (t *Tree) add(rel string) error {
	switch path.Ext(rel) {
	case ".go":
	case ".md", ".sh", ".toml", ".yaml", ".conf":
		t.Texts = append(t.Texts, rel)
		return nil
	default:
		if base := path.Base(rel); base == "Makefile" || path.Dir(rel) == ".ci" {
			t.Texts = append(t.Texts, rel)
		}
		return nil
	}
	src, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.Fset, rel, src, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("load module: %w", err)
	}
	t.Files = append(t.Files, &File{
		Path: rel, Dir: path.Dir(rel), Test: strings.HasSuffix(rel, "_test.go"),
		Lines: strings.Count(string(src), "\n"), Src: src, AST: parsed,
	})
	return nil
}

// line is the line number of a position.
func (t *Tree) line(p token.Pos) int { return t.Fset.Position(p).Line }

// at makes a violation at a position of f.
func (t *Tree) at(f *File, p token.Pos, format string, args ...any) Violation {
	return Violation{Path: f.Path, Line: t.line(p), Unit: f.unit(p), Text: fmt.Sprintf(format, args...)}
}

// unit names the top-level function around p, as Type.Method for methods.
func (f *File) unit(p token.Pos) string {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Pos() <= p && p < fn.End() {
			return funcName(fn)
		}
	}
	return ""
}

func funcName(fn *ast.FuncDecl) string {
	if recv := receiver(fn); recv != "" {
		return recv + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// receiver names the type of fn's receiver, "" for plain functions.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	for x := fn.Recv.List[0].Type; ; {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}

// within reports whether dir matches a pattern: a package directory, or with
// "/..." the directory and everything below it.
func within(dir, pattern string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	if !ok {
		return dir == pattern
	}
	tree = strings.TrimSuffix(tree, "/")
	return tree == "" || dir == tree || strings.HasPrefix(dir, tree+"/")
}

func withinAny(dir string, patterns []string) bool {
	for _, p := range patterns {
		if within(dir, p) {
			return true
		}
	}
	return false
}
