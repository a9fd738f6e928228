package planted_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is not in the list of expected is not looked for.
func TestEachPlantedBugIsDocumentedAndExpected(t *testing.T) {
	var constants, variables, expected []string
	for _, m := range matches(t, "off.go", `(?m)(?:^\t// (\w+): .*\n(?:\t// .*\n)*)?^\t(\w+) += false$`) {
		if m[1] != m[2] {
			t.Errorf("off.go does not say what %s is", m[2])
		}
		constants = append(constants, strings.ToLower(m[2]))
	}
	for _, m := range matches(t, "on.go", `(?m)^\t(\w+) += is\("(\w+)"\)$`) {
		if bare(m[2]) != strings.ToLower(m[1]) {
			t.Errorf("on.go names %s %q", m[1], m[2])
		}
		variables = append(variables, bare(m[2]))
	}
	for _, m := range matches(t, "expected", `(?m)^(\w+) +\S`) {
		expected = append(expected, bare(m[1]))
	}
	if !slices.Equal(constants, variables) || !slices.Equal(constants, expected) {
		t.Errorf("not the same bugs, in the same order:\n%q in off.go\n%q in on.go\n%q in expected", constants, variables, expected)
	}
}

// TestEachPlantedBugIsNamedWithARuleInTheDocumentation holds that the table there lags
// behind none.
func TestEachPlantedBugIsNamedWithARuleInTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/robustness.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Planted bugs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range matches(t, "expected", `(?m)^(\w+) +\S`) {
		if !strings.Contains(section, "`"+m[1]+"`") {
			t.Errorf("docs/robustness.md has no rule with %s under \"Planted bugs\"", m[1])
		}
	}
}

// TestEachPlantedBugIsNoticedByATestThatTheDocumentationNames holds that the list of tests is
// complete, that they exist, and that who reads what is promised is told of them.
// internal/planted/named.sh runs them.
func TestEachPlantedBugIsNoticedByATestThatTheDocumentationNames(t *testing.T) {
	var docs strings.Builder
	for _, page := range []string{"guarantees", "robustness"} {
		text, err := os.ReadFile("../../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(text)
	}
	var bugs, listed []string
	for _, m := range matches(t, "expected", `(?m)^(\w+) +\S`) {
		bugs = append(bugs, m[1])
	}
	for _, m := range matches(t, "tests", `(?m)^(\w+) +(\S+)(?: +(\w+)\S*)?$`) {
		listed = append(listed, m[1])
		if m[2] == "-" {
			continue
		}
		if !strings.Contains(docs.String(), "`"+m[3]+"`") {
			t.Errorf("the documentation does not name %s, which notices %s", m[3], m[1])
		}
		if !declared(t, filepath.Join("../..", m[2]), m[3]) {
			t.Errorf("%s has no %s, which is to notice %s", m[2], m[3], m[1])
		}
	}
	if !slices.Equal(bugs, listed) {
		t.Errorf("not the same bugs, in the same order:\n%q in expected\n%q in tests", bugs, listed)
	}
}

// declared reports whether a package has a test.
func declared(t *testing.T, dir, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// bare is a bug's name without what tells its words apart.
func bare(name string) string { return strings.ReplaceAll(name, "_", "") }

func matches(t *testing.T, file, expression string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(expression).FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		t.Fatalf("%s has no bugs", file)
	}
	return found
}
