package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// page is the file of the table.
func page(root string) string { return filepath.Join(root, "docs", "compatibility.md") }

// render draws the table of all files of results below root.
func render(root string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(root, "e2e", "*", "results.json"))
	if err != nil {
		return nil, err
	}
	var all []sdktest.Result
	for _, file := range files {
		list, err := sdktest.LoadResults(file)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return draw(all), nil
}

// draw writes the page.
func draw(all []sdktest.Result) []byte {
	var out bytes.Buffer
	cells, packages := map[[2]string]sdktest.Result{}, map[string][]string{}
	var extra []string // features that are not described
	for _, r := range all {
		cells[[2]string{r.Feature, r.SDK}] = r
		if !slices.Contains(packages[r.SDK], r.Packages) {
			packages[r.SDK] = append(packages[r.SDK], r.Packages)
		}
		if !slices.ContainsFunc(features, func(f feature) bool { return f.name == r.Feature }) && !slices.Contains(extra, r.Feature) {
			extra = append(extra, r.Feature)
		}
	}
	slices.Sort(extra)
	rows := slices.Clone(features)
	for _, name := range extra {
		rows = append(rows, feature{name: name})
	}
	out.WriteString(head)
	out.WriteString("\n| SDK | packages, unmodified | cases | passed |\n|---|---|---|---|\n")
	for _, s := range sdks {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", s.title, or(strings.Join(packages[s.name], "; "), s.instead), count(all, s.name))
	}
	out.WriteString(legend)
	out.WriteString("\n| feature |")
	for _, s := range sdks {
		out.WriteString(" " + s.title + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(sdks)) + "\n")
	for _, f := range rows {
		fmt.Fprintf(&out, "| %s |", f)
		for _, s := range sdks {
			fmt.Fprintf(&out, " %s |", cell(cells[[2]string{f.name, s.name}]))
		}
		out.WriteString("\n")
	}
	out.WriteString(tail)
	return out.Bytes()
}

// count says how many cases an SDK has, and that they passed.
func count(all []sdktest.Result, sdk string) string {
	cases, passed := 0, true
	for _, r := range all {
		if r.SDK == sdk {
			cases += r.Cases
			passed = passed && r.OK
		}
	}
	switch {
	case cases == 0:
		return "- | -"
	case passed:
		return fmt.Sprintf("%d | all", cases)
	}
	return fmt.Sprintf("%d | not all", cases)
}

func cell(r sdktest.Result) string {
	switch {
	case r.Cases == 0:
		return "-"
	case r.OK:
		return fmt.Sprintf("yes (%d)", r.Cases)
	}
	return "**no**"
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
