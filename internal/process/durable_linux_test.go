package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// mkdirCall matches a directory that is made: "mkdirat(AT_FDCWD, "/srv/hub", 0700) = 0".
var mkdirCall = regexp.MustCompile(`mkdir(?:at)?\((?:[^",]*, )?"([^"]*)"[^)]*\) = 0`)

// unsynced lists the directories that a process has made without a sync, after that, of
// the one in which they are: a loss of power may take them with all that is in them.
func unsynced(trace string) (names []string) {
	lines := strings.Split(trace, "\n")
	for i, line := range lines {
		m := mkdirCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		parent := fmt.Sprintf("<%s>", filepath.Dir(m[1]))
		synced := false
		for _, later := range lines[i+1:] {
			synced = synced || strings.Contains(later, "fsync(") && strings.Contains(later, parent)
		}
		if !synced {
			names = append(names, m[1])
		}
	}
	return names
}

// TestBackupsAndRestoredHubsSurviveInDirectoriesThatAreNew holds, from outside, that each
// directory that is made on the way to one is durable.
func TestBackupsAndRestoredHubsSurviveInDirectoriesThatAreNew(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v: this test watches system calls; install strace, for example with: apt-get install strace", err)
	}
	_, command := programs(t)
	at := t.TempDir()
	dir, copied := filepath.Join(at, "hub"), filepath.Join(at, "of/new/backup")
	hub, err := netherite.Open(dir, netherite.Partitions(2))
	if err == nil {
		err = hub.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", dir, copied}, {"restore", copied, filepath.Join(at, "again/new/hub")}} {
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := exec.CommandContext(t.Context(), strace, append([]string{"-f", "-y", "-e", "trace=mkdir,mkdirat,fsync", "-e", "signal=none", "-o", trace, "--", command}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		data, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `/new", `) {
			t.Errorf("%v: the trace has no directory that was made:\n%s", args, data)
		}
		if names := unsynced(string(data)); len(names) > 0 {
			t.Errorf("%v made directories that a loss of power may take: %v", args, names)
		}
	}
}
