package samples

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// sample is a program, and what it prints.
type sample struct {
	Repository, Path, Commit string
	Characters               int
	Args                     []string
	// Starts and Input are an orchestration that somebody else is to start once the
	// program runs; then it is the orchestration that is shown.
	Starts, Input string
	Prints        string // regular expression
}

func load(t *testing.T) (list []sample) {
	t.Helper()
	text, err := os.ReadFile("samples.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestThePageOnCompatibilityTellsOfEachSample(t *testing.T) {
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range load(t) {
		if !bytes.Contains(page, []byte(filepath.Base(s.Path))) || !bytes.Contains(page, []byte(s.Repository)) {
			t.Errorf("the page does not tell of %s of %s", s.Path, s.Repository)
		}
	}
}
