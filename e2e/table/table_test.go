package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

func TestTheTableIsTheOneOfTheResults(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := render(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page(root))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/compatibility.md is not what the results say: go run ./e2e/table\n%s", want)
	}
}

func TestARowSaysWhatEachSDKCameTo(t *testing.T) {
	text := string(draw([]sdktest.Result{
		{SDK: "python", Packages: "p 1", Feature: "timers", Cases: 3, OK: true},
		{SDK: "js", Packages: "j 2", Feature: "timers", Cases: 2},
		{SDK: "js", Packages: "j 2", Feature: "juggling", Cases: 1, OK: true},
	}))
	for _, line := range []string{
		"| Python | p 1 | 3 | all |",
		"| JavaScript | j 2 | 3 | not all |",
		"| Java | no results | - | - |",
		"| timers: short ones, long ones in steps, cancelled ones | yes (3) | **no** | - | - |",
		"| juggling | - | yes (1) | - | - |",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the page lacks the line %q:\n%s", line, text)
		}
	}
}
