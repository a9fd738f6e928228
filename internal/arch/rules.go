package arch

import (
	"fmt"
	"slices"
)

// Rule is one thing that holds for the whole tree.
type Rule struct {
	Name  string
	Why   string
	Check func(*Tree) ([]Violation, error)
}

// Violation is one place where a rule does not hold.
type Violation struct {
	Path string
	Line int    // 0 if it concerns the whole file or package
	Unit string // function, if any; exceptions may name it
	Text string
}

// String formats the violation as path:line: text.
func (v Violation) String() string {
	if v.Line == 0 {
		return v.Path + ": " + v.Text
	}
	return fmt.Sprintf("%s:%d: %s", v.Path, v.Line, v.Text)
}

// Exception says where a rule need not hold.
type Exception struct {
	Rule string
	Path string
	Unit string // function; "" for the whole file
	Why  string
}

// Rules lists all rules.
var Rules = []Rule{
	{"imports", "Layers keep a language, an engine and a substrate replaceable; each row of the table says why.", checkImports},
	{"root dependencies", "The embedded library must stay light: no servers, command line or telemetry SDK in a user's program.", checkRootDeps},
	{"pure core", "Step must be a function of state and event, or replay after a crash rebuilds something else.", checkPureCore},
	{"map order", "Go iterates maps in random order, so the same event could yield different effects in replay. Say why it cannot: // sorted: or // order-free:.", checkMapOrder},
	{"package doc", "The package comment is where a reader begins.", checkPackageDocs},
	{"exported doc", "What users and other packages call is documented where it stands.", checkExportedDocs},
	{"file size", fmt.Sprintf("A file of more than %d lines hides its structure.", softFileLines), checkFileSize},
	{"file limit", fmt.Sprintf("No file has more than %d lines, whatever the reason.", hardFileLines), checkFileLimit},
	{"function size", fmt.Sprintf("A function fits a screen: %d lines, %d for a test.", funcLines, testFuncLines), checkFunctionSize},
	{"banned calls", "Each row of the table says why.", checkBannedCalls},
	{"panic", "A panic takes down the program that embeds this library; only a broken invariant may.", checkPanics},
	{"testing", "Code that runs in production must not know that it is tested.", checkTestingImport},
	{"fuzzed", "What reads bytes that somebody else wrote meets all there are: a decoder without a fuzz target has met only those of its author.", checkFuzzed},
	{"corpus", "What a fuzzer once found its way by is where every later test begins.", checkCorpus},
	{"leaks", "A goroutine has an owner that starts it, can stop it and waits for it; the end of the tests shows that each has been.", checkLeaks},
	{"package name", "A package is named for what it provides; a name like util collects what belongs elsewhere.", checkPackageNames},
	{"notes", "An open end belongs into an issue, where it is seen, not into a comment.", checkNotes},
	{"machine paths", "A path of one machine means nothing on another.", checkMachinePaths},
	{"links", "A link in the documentation leads somewhere.", checkLinks},
	{"doc tests", "A promise names the test that shows it; the test exists.", checkDocTests},
}

// Run checks one rule and leaves out what the exceptions allow. It marks the
// exceptions that it needed in used, which may be nil.
func Run(t *Tree, r Rule, exceptions []Exception, used map[Exception]bool) ([]Violation, error) {
	found, err := r.Check(t)
	if err != nil {
		return nil, fmt.Errorf("rule %q: %w", r.Name, err)
	}
	return slices.DeleteFunc(found, func(v Violation) bool {
		for _, e := range exceptions {
			if e.Rule == r.Name && e.Path == v.Path && (e.Unit == "" || e.Unit == v.Unit) {
				if used != nil {
					used[e] = true
				}
				return true
			}
		}
		return false
	}), nil
}
