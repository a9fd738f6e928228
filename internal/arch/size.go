package arch

import (
	"fmt"
	"go/ast"
	"slices"
)

const (
	softFileLines = 500
	hardFileLines = 800
	funcLines     = 70
	testFuncLines = 100
)

func checkFileSize(t *Tree) ([]Violation, error) { return t.longerThan(softFileLines), nil }

func checkFileLimit(t *Tree) ([]Violation, error) { return t.longerThan(hardFileLines), nil }

func (t *Tree) longerThan(limit int) (found []Violation) {
	for _, f := range t.Files {
		if f.Lines > limit && !ast.IsGenerated(f.AST) {
			found = append(found, Violation{Path: f.Path, Text: fmt.Sprintf("%d lines, more than %d", f.Lines, limit)})
		}
	}
	return found
}

func checkFunctionSize(t *Tree) (found []Violation, err error) {
	for _, f := range t.Files {
		limit := funcLines
		if f.Test {
			limit = testFuncLines
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || ast.IsGenerated(f.AST) {
				continue
			}
			if n := t.line(fn.End()) - t.line(fn.Pos()) + 1; n > limit {
				found = append(found, t.at(f, fn.Pos(), "%s has %d lines, more than %d", funcName(fn), n, limit))
			}
		}
	}
	return found, nil
}

// Report summarizes file sizes: the median should be 80 to 200 lines.
func (t *Tree) Report() string {
	var sizes []int
	for _, f := range t.Files {
		if !f.Test {
			sizes = append(sizes, f.Lines)
		}
	}
	if len(sizes) == 0 {
		return "no files"
	}
	slices.Sort(sizes)
	return fmt.Sprintf("%d files without tests: median %d lines, 90%% up to %d, longest %d",
		len(sizes), sizes[len(sizes)/2], sizes[len(sizes)*9/10], sizes[len(sizes)-1])
}
