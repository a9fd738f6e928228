package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench"
)

// contract lists the fields of bench --json that checks outside the project rely on.
const contract = `workload unit clients partitions release completed failed refused seconds per_second p50_ms p95_ms p99_ms max_ms
	cpu_us_per_op log_bytes_per_op store_bytes_per_op device_bytes_per_op syncs syncs_per_op checkpoints recovery_ms
	peak_rss_bytes fdatasync_p50_ms fdatasync_append_p50_ms version`

// documentedFields reads the table of fields in docs/cli.md.
func documentedFields(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "The JSON object has these fields:")
	section, _, found2 := strings.Cut(section, "\n## ")
	if !found || !found2 {
		t.Fatal("docs/cli.md does not list the fields of bench --json")
	}
	var names []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

func TestBenchPrintsOneObjectWithTheDocumentedFields(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	args := []string{"bench", "hello5", "--clients", "4", "--count", "100", "--warmup", "0s", "--partitions", "2", "--release", "partition", "--memory", "64", "--dir", dir}
	code, stdout, stderr := command(t.Context(), append(args, "--json")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if n := strings.Count(string(stdout), "\n"); n != 1 || stdout[len(stdout)-1] != '\n' {
		t.Errorf("%d lines, want one:\n%s", n, stdout)
	}
	var got map[string]any
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatal(err)
	}
	fields := slices.Sorted(maps.Keys(got))
	if want := slices.Sorted(slices.Values(documentedFields(t))); !slices.Equal(fields, want) {
		t.Errorf("fields are\n%v\ndocs/cli.md has\n%v", fields, want)
	}
	for _, name := range strings.Fields(contract) {
		if _, ok := got[name]; !ok {
			t.Errorf("field %s is missing", name)
		}
	}
	for name, want := range map[string]any{
		"workload": "hello5", "unit": "orchestration", "clients": 4.0, "partitions": 2.0, "release": "partition", "memory_mib": 64.0,
		"completed": 100.0, "calls": 100.0, "failed": 0.0, "refused": 0.0, "check": "ok", "version": version(),
		"checkpoints": 0.0, "counts": false,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	// The race detector takes more memory than a row that counts may have.
	if why, _ := got["why_not"].(string); !strings.HasPrefix(why, "the window holds 0 of 2 checkpoints, a larger --count has more") {
		t.Errorf("why_not is %q", why)
	}
	for _, name := range []string{
		"seconds", "per_second", "p50_ms", "p95_ms", "p99_ms", "max_ms", "cpu_us_per_op", "log_bytes_per_op", "store_bytes_per_op",
		"syncs", "syncs_per_op", "partition_checkpoints", "recovery_ms", "peak_rss_bytes", "fdatasync_p50_ms", "fdatasync_append_p50_ms",
	} {
		if n, ok := got[name].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v, want a positive number", name, got[name])
		}
	}

	// The hub is there, with what the run left in it.
	code, stdout, stderr = command(t.Context(), "instance", "show", got["sample"].(string), "--dir", dir)
	if code != 0 || !strings.Contains(string(stdout), "Completed") {
		t.Errorf("the sample: exit code %d\n%s%s", code, stdout, stderr)
	}
	// It is used again only if that is said, and only as it was made.
	if code, _, stderr = command(t.Context(), args...); code != 2 || !strings.Contains(string(stderr), "--reuse") {
		t.Errorf("a directory that is not empty: exit code %d: %s", code, stderr)
	}
	if code, _, _ = command(t.Context(), append(args, "--reuse", "--partitions", "3")...); code != 2 {
		t.Errorf("another number of partitions: exit code %d, want 2", code)
	}
	code, stdout, stderr = command(t.Context(), append(args, "--reuse")...)
	if code != 0 {
		t.Fatalf("--reuse: exit code %d: %s", code, stderr)
	}
	for _, line := range []string{
		`(?m)^hello5: 100 orchestrations in \d+\.\d s: \d+ a second \(4 clients, 2 partitions, release partition\)$`,
		`(?m)^  latency     p50 \d+\.\d+ ms, p95 \d+\.\d+ ms, p99 \d+\.\d+ ms, max \d+\.\d ms$`,
		`(?m)^  failed 0, refused 0, check: ok$`,
		`(?m)^  this row does not count: the window holds 0 of 2 checkpoints`,
	} {
		if !regexp.MustCompile(line).Match(stdout) {
			t.Errorf("no line %s in\n%s", line, stdout)
		}
	}
}

func TestBenchOfHeldDirectory(t *testing.T) {
	dir := t.TempDir()
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hub.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if code, _, stderr := command(t.Context(), "bench", "hello5", "--count", "1", "--dir", dir, "--reuse"); code != 4 || !strings.Contains(string(stderr), "held by this process already") {
		t.Errorf("exit code %d, want 4: %s", code, stderr)
	}
}

func TestDirectoriesThatCannotBeUsedAreLeftAlone(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held := t.TempDir()
	hub, err := netherite.Open(held, netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hub.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		args []string
		dir  string
		code int
		said string
	}{
		{[]string{"--dir", foreign, "--reuse"}, foreign, 2, "holds no hub, but other files"},
		{[]string{"--dir", foreign}, foreign, 2, "is not empty"},
		{[]string{"--dir", held}, held, 4, "with process ID"},
		{[]string{"--dir", held, "--reuse"}, held, 4, "with process ID"},
	} {
		before := names(t, c.dir)
		code, _, stderr := command(t.Context(), append([]string{"bench", "hello5", "--count", "1"}, c.args...)...)
		if code != c.code || !strings.Contains(string(stderr), c.said) || strings.Count(string(stderr), c.dir) != 1 {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, stderr)
		}
		if after := names(t, c.dir); !slices.Equal(before, after) {
			t.Errorf("%v: the directory held %v and holds %v", c.args, before, after)
		}
	}
}

// Of two that begin at once, both may have found the directory free.
func TestMeasuredProcessDoesNotDisturbAHub(t *testing.T) {
	dir := t.TempDir()
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	cfg := bench.Config{Workload: "hello5", Clients: 1, Count: 1, Partitions: 8, Release: "node", Dir: dir}
	if _, err := runAndKill(t.Context(), &cfg, false, t.Output()); exitCode(err) != exitNotServed {
		t.Errorf("error %v, exit code %d", err, exitCode(err))
	}
	if after := names(t, dir); !slices.Equal(before, after) {
		t.Errorf("the directory held %v and holds %v", before, after)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestReportMayLieInTheDirectoryOfItsHub(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	code, _, stderr := command(t.Context(), "bench", "hello5", "--clients", "2", "--count", "10", "--warmup", "0s", "--dir", dir, "--report", page)
	if code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, err := os.Stat(page); err != nil {
		t.Error(err)
	}
}

func TestTemporaryDirectoryThatCannotBeMadeIsAMistakeOfTheCaller(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	code, _, stderr := command(t.Context(), "bench", "hello5", "--count", "1")
	if code != 2 || !strings.Contains(string(stderr), "set TMPDIR") || !strings.Contains(string(stderr), "--dir") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
