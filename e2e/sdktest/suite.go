package sdktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// Case is a line that a suite prints for each of its tests: one JSON object. Every
// other line that it prints is for people.
type Case struct {
	Test  string `json:"test"`  // name, such as "timers: a timer fires after its time"
	OK    bool   `json:"ok"`    // it passed
	Error string `json:"error"` // if not, why
}

// Run runs a suite and makes each of its lines a subtest. A suite that ends with
// another exit code than 0, or has fewer cases than want, fails. Each line goes to
// watch, if there is one, before more are read.
func Run(t *testing.T, cmd *exec.Cmd, want int, watch ...func(line string)) []Case {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // if the test ends before
	cases, rest := read(t, stdout, watch)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the suite: %v\n%s\n%s", err, tail(rest), tail(stderr.String()))
	}
	if len(cases) < want {
		t.Errorf("the suite has run %d cases, want at least %d\n%s", len(cases), want, tail(stderr.String()))
	}
	return cases
}

func read(t *testing.T, r io.Reader, watch []func(line string)) (cases []Case, rest string) {
	var others strings.Builder
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		for _, w := range watch {
			w(lines.Text())
		}
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil || c.Test == "" {
			others.WriteString(lines.Text() + "\n")
			continue
		}
		cases = append(cases, c)
		t.Run(c.Test, func(t *testing.T) {
			if !c.OK {
				t.Error(c.Error)
			}
		})
	}
	_, _ = io.Copy(io.Discard, r)
	return cases, others.String()
}

func tail(s string) string { return s[max(0, len(s)-4000):] }
