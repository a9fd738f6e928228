package sdktest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write what the cases came to into the file of results, instead of comparing it")

// Result is what the cases of one feature of one SDK came to: a line of a file of
// results, from which e2e/table draws the table of compatibility.
type Result struct {
	SDK      string `json:"sdk"`      // such as "python"
	Packages string `json:"packages"` // with their versions
	Feature  string `json:"feature"`  // what stands before the colon in the names of its cases
	Cases    int    `json:"cases"`
	OK       bool   `json:"ok"` // all of them passed
}

// recorded is what the tests of this process have found, by feature.
var recorded struct {
	mu      sync.Mutex
	results map[string]Result
}

// Record notes what the cases of a suite came to, for Main to compare, and logs a
// line for each feature. The name of a case begins with its feature and a colon.
// Suites of the same SDK may have the same features: then they add up.
func Record(t testing.TB, sdk, packages string, cases []Case) {
	t.Helper()
	recorded.mu.Lock()
	defer recorded.mu.Unlock()
	if recorded.results == nil {
		recorded.results = map[string]Result{}
	}
	for _, c := range cases {
		feature, _, ok := strings.Cut(c.Test, ": ")
		if !ok {
			t.Errorf("case %q does not say which feature it is of: its name is to be FEATURE: TEXT", c.Test)
			continue
		}
		r, ok := recorded.results[feature]
		if !ok {
			r = Result{SDK: sdk, Packages: packages, Feature: feature, OK: true}
		}
		r.Cases++
		r.OK = r.OK && c.OK
		recorded.results[feature] = r
	}
	for _, r := range sorted(touched(cases)) {
		line, _ := json.Marshal(r) // never fails
		t.Logf("%s", line)
	}
}

// touched are the results so far of the features that cases are of. The caller
// holds recorded.mu.
func touched(cases []Case) map[string]Result {
	some := map[string]Result{}
	for _, c := range cases {
		feature, _, _ := strings.Cut(c.Test, ": ")
		if r, ok := recorded.results[feature]; ok {
			some[feature] = r
		}
	}
	return some
}

func sorted(byFeature map[string]Result) []Result {
	return slices.SortedFunc(maps.Values(byFeature), func(a, b Result) int { return cmp.Compare(a.Feature, b.Feature) })
}

// LoadResults reads a file of results.
func LoadResults(file string) ([]Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []Result
	for line := range bytes.Lines(text) {
		var r Result
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, len(list)+1, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// compare holds what was found against the file, in which nothing else may stand if
// the run was of all tests. With -update it writes the file.
func compare(file string, found []Result, all bool) error {
	old, err := LoadResults(file)
	if err != nil && !(*update && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	have := map[string]Result{}
	for _, r := range old {
		have[r.Feature] = r
	}
	if *update {
		if all {
			clear(have)
		}
		for _, r := range found {
			have[r.Feature] = r
		}
		var out bytes.Buffer
		for _, r := range sorted(have) {
			line, _ := json.Marshal(r) // never fails
			out.Write(append(line, '\n'))
		}
		return os.WriteFile(file, out.Bytes(), 0o644)
	}
	var wrong []string
	for _, r := range found {
		if h, ok := have[r.Feature]; !ok || all && h != r || h.OK != r.OK {
			wrong = append(wrong, fmt.Sprintf("%s: found %+v", r.Feature, r))
		}
		delete(have, r.Feature)
	}
	for _, r := range sorted(have) {
		if all {
			wrong = append(wrong, r.Feature+": no case is of it any more")
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s does not say what this run has found; run it with -update, and then go run ./e2e/table:\n%s", file, strings.Join(wrong, "\n"))
	}
	return nil
}

// whole reports whether this run is of all tests of its package.
func whole() bool {
	for _, name := range []string{"test.run", "test.skip"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}
