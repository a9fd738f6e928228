package arch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

func TestTreeKeepsTheRules(t *testing.T) {
	tree, err := Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	used := map[Exception]bool{}
	for _, rule := range Rules {
		t.Run(strings.ReplaceAll(rule.Name, " ", "-"), func(t *testing.T) {
			found, err := Run(tree, rule, Exceptions, used)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				t.Error(v)
			}
			if len(found) > 0 {
				t.Logf("why: %s", rule.Why)
			}
		})
	}
	for _, e := range Exceptions {
		if !used[e] {
			t.Errorf("exception of rule %q for %s %s is not needed any more: remove it", e.Rule, e.Path, e.Unit)
		}
		if e.Why == "" {
			t.Errorf("exception of rule %q for %s has no reason", e.Rule, e.Path)
		}
	}
	t.Log(tree.Report())
}

// TestEachRuleCatchesItsPlantedViolation runs every rule over the trees in
// testdata. The head of a file has one line "rule: what it says" for each
// violation that must be found; none but these may be.
func TestEachRuleCatchesItsPlantedViolation(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	caught := map[string]bool{}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tree := plant(t, archive)
			got := map[string]bool{}
			for _, rule := range Rules {
				found, err := Run(tree, rule, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range found {
					got[rule.Name+": "+v.String()] = true
					caught[rule.Name] = true
				}
			}
			compare(t, got, strings.Split(strings.TrimSpace(string(archive.Comment)), "\n"))
		})
	}
	for _, rule := range Rules {
		if !caught[rule.Name] {
			t.Errorf("rule %q: no file in testdata breaks it", rule.Name)
		}
	}
}

// compare matches each expectation, a regular expression, with what was found.
func compare(t *testing.T, got map[string]bool, want []string) {
	for _, w := range want {
		re, hit := regexp.MustCompile("^"+w), false
		for g := range got {
			if re.MatchString(g) {
				delete(got, g)
				hit = true
			}
		}
		if !hit {
			t.Errorf("not found: %s", w)
		}
	}
	for g := range got {
		t.Errorf("found, not expected: %s", g)
	}
}

// plant writes a tree to a directory of its own. A line "pad N" stands for N
// empty lines, to make files and functions long.
func plant(t *testing.T, archive *txtar.Archive) *Tree {
	root := t.TempDir()
	write := func(name string, data []byte) {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", []byte("module example.com/planted\n\ngo 1.26\n"))
	pad := regexp.MustCompile(`(?m)^pad (\d+)$`)
	for _, f := range archive.Files {
		write(f.Name, pad.ReplaceAllFunc(f.Data, func(m []byte) []byte {
			n := 0
			if _, err := fmt.Sscanf(string(m), "pad %d", &n); err != nil {
				t.Fatal(err)
			}
			return bytes.Repeat([]byte("\n"), n-1)
		}))
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestExceptionsSilenceTheirRuleOnly(t *testing.T) {
	rule := Rule{Name: "r", Check: func(*Tree) ([]Violation, error) {
		return []Violation{{Path: "a.go", Unit: "f"}, {Path: "a.go", Unit: "g"}, {Path: "b.go"}}, nil
	}}
	used := map[Exception]bool{}
	one := Exception{Rule: "r", Path: "a.go", Unit: "f", Why: "x"}
	other := Exception{Rule: "other", Path: "b.go", Why: "x"}
	found, err := Run(nil, rule, []Exception{one, other}, used)
	if err != nil || len(found) != 2 || found[0].Unit != "g" || found[1].Path != "b.go" {
		t.Errorf("found %v, %v", found, err)
	}
	if !used[one] || used[other] {
		t.Errorf("used %v", used)
	}
}

func TestImportTableMatchesMostSpecificRowFirst(t *testing.T) {
	for i, r := range importRules {
		if r.why == "" {
			t.Errorf("row %q has no reason", r.packages)
		}
		for _, later := range importRules[i+1:] {
			if within(strings.ReplaceAll(later.packages, "...", "x"), r.packages) {
				t.Errorf("row %q hides the later %q", r.packages, later.packages)
			}
		}
	}
}
