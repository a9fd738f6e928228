package arch

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// checkPackageDocs wants one package comment per package, of the usual form.
func checkPackageDocs(t *Tree) (found []Violation, err error) {
	first, documented := map[string]*File{}, map[string]bool{}
	for _, f := range t.Files {
		if f.Test {
			continue
		}
		if first[f.Dir] == nil {
			first[f.Dir] = f
		}
		text := f.AST.Doc.Text()
		if text == "" {
			continue
		}
		documented[f.Dir] = true
		if f.AST.Name.Name != "main" && !strings.HasPrefix(text, "Package "+f.AST.Name.Name+" ") {
			found = append(found, t.at(f, f.AST.Name.Pos(), "the package comment does not begin with %q", "Package "+f.AST.Name.Name))
		}
	}
	for _, f := range t.Files {
		if first[f.Dir] == f && !documented[f.Dir] {
			found = append(found, Violation{Path: f.Path, Text: "package " + f.Dir + " has no package comment"})
		}
	}
	return found, nil
}

// checkExportedDocs wants a comment on every exported type, function and method,
// and on exported constants and variables. One on a group serves them all. Methods
// of types that are not exported, which implement interfaces, need none.
func checkExportedDocs(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		if f.Test || f.AST.Name.Name == "main" || ast.IsGenerated(f.AST) {
			continue
		}
		for _, d := range f.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if recv := receiver(d); d.Name.IsExported() && d.Doc.Text() == "" && (recv == "" || ast.IsExported(recv)) {
					found = append(found, t.at(f, d.Pos(), "%s has no comment", funcName(d)))
				}
			case *ast.GenDecl:
				found = append(found, t.undocumented(f, d)...)
			}
		}
	}
	return found, nil
}

func (t *Tree) undocumented(f *File, d *ast.GenDecl) (found []Violation) {
	if d.Tok == token.IMPORT || d.Doc != nil {
		return nil
	}
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
				found = append(found, t.at(f, s.Pos(), "type %s has no comment", s.Name.Name))
			}
		case *ast.ValueSpec:
			if slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) && s.Doc == nil && s.Comment == nil {
				found = append(found, t.at(f, s.Pos(), "%s has no comment", s.Names[0].Name))
			}
		}
	}
	return found
}

var catchAll = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "lib", "base", "types"}

func checkPackageNames(t *Tree) (found []Violation, err error) {
	seen := map[string]bool{}
	for _, f := range t.Files {
		if seen[f.Dir] {
			continue
		}
		seen[f.Dir] = true
		for _, part := range append(strings.Split(f.Dir, "/"), f.AST.Name.Name) {
			if slices.Contains(catchAll, part) {
				found = append(found, Violation{Path: f.Path, Text: "package " + f.Dir + " is named for nothing in particular"})
				break
			}
		}
	}
	return found, nil
}

var noteWords = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func checkNotes(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				if word := noteWords.FindString(c.Text); word != "" {
					found = append(found, t.at(f, c.Pos(), "comment says %s", word))
				}
			}
		}
	}
	return found, nil
}

// machinePath matches home and work directories; temporary ones are made by
// tests and fine.
var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.~/*-])/(work|farm|root|home|Users)/[A-Za-z]`)

func checkMachinePaths(t *Tree) (found []Violation, err error) {
	look := func(name string, content []byte) {
		for i, line := range strings.Split(string(content), "\n") {
			if machinePath.MatchString(line) {
				found = append(found, Violation{Path: name, Line: i + 1, Text: "path of one machine: " + strings.TrimSpace(line)})
			}
		}
	}
	for _, f := range t.Files {
		look(f.Path, f.Src)
	}
	for _, name := range t.Texts {
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		look(name, content)
	}
	return found, nil
}

func (t *Tree) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(name)))
}

var markdownLink = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

// checkLinks follows the relative links of the documentation.
func checkLinks(t *Tree) (found []Violation, err error) {
	for _, name := range t.Texts {
		if path.Ext(name) != ".md" {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(content), "\n") {
			for _, m := range markdownLink.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
					continue
				}
				if _, err := os.Stat(filepath.Join(t.Root, filepath.FromSlash(path.Join(path.Dir(name), m[1])))); err != nil {
					found = append(found, Violation{Path: name, Line: i + 1, Text: "link to " + m[1] + ", which does not exist"})
				}
			}
		}
	}
	return found, nil
}

var testName = regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z][A-Za-z0-9_]*)[/`]")

// checkDocTests looks for the tests that the documentation refers to.
func checkDocTests(t *Tree) (found []Violation, err error) {
	declared := map[string]bool{}
	for _, f := range t.Files {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.Test && fn.Recv == nil {
				declared[fn.Name.Name] = true
			}
		}
	}
	for _, name := range t.Texts {
		if path.Ext(name) != ".md" {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(content), "\n") {
			for _, m := range testName.FindAllStringSubmatch(line, -1) {
				if !declared[m[1]] {
					found = append(found, Violation{Path: name, Line: i + 1, Text: "names " + m[1] + ", which is no test"})
				}
			}
		}
	}
	return found, nil
}
