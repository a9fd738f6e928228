package sdktest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResultsAreThoseOfTheFile(t *testing.T) {
	line := `{"sdk":"python","packages":"p 1","feature":"timers","cases":2,"ok":true}` + "\n"
	timers := Result{SDK: "python", Packages: "p 1", Feature: "timers", Cases: 2, OK: true}
	failed, fewer, other := timers, timers, timers
	failed.OK, fewer.Cases, other.Feature = false, 1, "retries"
	for name, c := range map[string]struct {
		file  string
		found []Result
		part  bool
		want  string // in the error
	}{
		"the same":                        {file: line, found: []Result{timers}},
		"a feature that fails":            {file: line, found: []Result{failed}, want: "OK:false"},
		"a feature that has fewer cases":  {file: line, found: []Result{fewer}, want: "Cases:1"},
		"some cases of a feature":         {file: line, found: []Result{fewer}, part: true},
		"a feature that is new":           {file: line, found: []Result{timers, other}, want: "retries: found"},
		"a feature that is gone":          {file: line, want: "timers: no case"},
		"a run that has not tried it":     {file: line, part: true},
		"a line that is nothing":          {file: "nothing\n", want: "line 1"},
		"a line with an unknown property": {file: `{"sdk":"python","speed":1}` + "\n", want: "speed"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "results.json")
			if err := os.WriteFile(file, []byte(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			err := compare(file, c.found, !c.part)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}
