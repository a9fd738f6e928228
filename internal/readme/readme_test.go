//go:build unix

package readme

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds one command. The first build of the program compiles all of
// the library.
const patience = 5 * time.Minute

func TestREADMEWorkflowSurvivesBeingKilled(t *testing.T) {
	doc := read(t, "../../README.md")
	section := after(t, doc, "## Your first five minutes")
	program := after(t, section, "```go\n")
	want := strings.TrimSpace(block(after(t, after(t, program, "prints"), "```\n")))
	line := regexp.MustCompile(`after\s+"([^"]+)"`).FindStringSubmatch(section)
	if line == nil {
		t.Fatal(`README does not say after which line to kill the program ("after "greeting X"")`)
	}

	dir := directory(t)
	for _, command := range setup(t, section) {
		sh(t, dir, command)
	}
	write(t, filepath.Join(dir, "main.go"), block(program))

	first := start(t, dir)
	seen := first.until(t, line[1])
	first.kill(t)
	second := start(t, dir)
	again := second.all(t)

	if got := again[len(again)-1]; got != want {
		t.Errorf("second run ends with %q, README promises %q", got, want)
	}
	commands(t, dir, after(t, after(t, program, "prints"), "```sh\n"))
	for _, l := range seen[:len(seen)-1] {
		for _, m := range again[:len(again)-1] {
			if l == m {
				t.Errorf("%q was done before the kill and is done again", l)
			}
		}
	}
}

// setup are the commands of go that a section of the README begins with.
func setup(t *testing.T, section string) (list []string) {
	for line := range strings.Lines(block(after(t, section, "```sh\n"))) {
		if command, _, _ := strings.Cut(line, "#"); strings.HasPrefix(command, "go ") {
			list = append(list, command)
		}
	}
	return list
}

// commands runs what the README says to do in the end, in the same directory. The
// last command tells of the workflow that has ended.
func commands(t *testing.T, dir, section string) {
	var out string
	for line := range strings.Lines(block(section)) {
		command, _, _ := strings.Cut(line, "#")
		out = sh(t, dir, command)
	}
	if !regexp.MustCompile(`(?m)^status: +Completed$`).MatchString(out) {
		t.Errorf("the last command of the README says\n%s", out)
	}
}

// directory makes an empty directory with the project beside it under the name
// that the README uses.
func directory(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "tour")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	beside(t, dir)
	return dir
}

// beside puts the project beside a directory.
func beside(t *testing.T, dir string) {
	project, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(project, filepath.Join(filepath.Dir(dir), "netherite")); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, name, text string) {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// after returns what follows mark in text.
func after(t *testing.T, text, mark string) string {
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("README lacks %q where the test looks for it", mark)
	}
	return rest
}

// block returns text up to the end of the fenced block that it is in.
func block(text string) string {
	text, _, _ = strings.Cut(text, "```")
	return text
}

func sh(t *testing.T, dir, command string) string {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// run is a "go run ." under way, in a process group of its own.
type run struct {
	cmd      *exec.Cmd
	lines    *bufio.Scanner
	stderr   strings.Builder
	watchdog *time.Timer
	ended    bool
}

func start(t *testing.T, dir string) *run {
	r := &run{cmd: exec.Command("go", "run", ".")}
	r.cmd.Dir = dir
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.lines = bufio.NewScanner(io.Reader(out))
	r.watchdog = time.AfterFunc(patience, func() { r.signal() })
	t.Cleanup(func() {
		if !r.ended {
			r.signal()
			r.wait()
		}
	})
	return r
}

// signal kills the group: go run, and the program that it built.
func (r *run) signal() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }

func (r *run) wait() error {
	defer r.watchdog.Stop()
	r.ended = true
	return r.cmd.Wait()
}

// until reads lines up to the given one.
func (r *run) until(t *testing.T, line string) (seen []string) {
	for r.lines.Scan() {
		if seen = append(seen, r.lines.Text()); r.lines.Text() == line {
			return seen
		}
	}
	t.Fatalf("program ended before it printed %q, after %q: %v\n%s", line, seen, r.wait(), r.stderr.String())
	return nil
}

func (r *run) kill(t *testing.T) {
	if err := r.signal(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.wait(); !errors.As(err, &exit) {
		t.Fatalf("killed program: %v", err)
	}
}

// all reads to the end of a run that must succeed.
func (r *run) all(t *testing.T) (seen []string) {
	for r.lines.Scan() {
		seen = append(seen, r.lines.Text())
	}
	if err := r.wait(); err != nil || len(seen) == 0 {
		t.Fatalf("program failed after %q: %v\n%s", seen, err, r.stderr.String())
	}
	return seen
}
