//go:build unix

package readme

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestThePagesOfTheSDKsBeginWithAServerThatStarts: all with the same words, and their
// commands, in an empty directory, have a server say where its data lies. Where the
// pages clone the project from is published, here it is cloned from where it lies.
func TestThePagesOfTheSDKsBeginWithAServerThatStarts(t *testing.T) {
	var begin string
	for _, page := range []string{"sdk-python.md", "sdk-java.md", "sdk-javascript.md", "sdk-dotnet.md", "go-remote.md"} {
		_, section, _ := strings.Cut(read(t, filepath.Join("../../docs", page)), "## A server to begin with\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if begin == "" {
			begin = section
		}
		if section == "" || section != begin {
			t.Errorf("%s begins with\n%swhere another page has\n%s", page, section, begin)
		}
	}
	readme := read(t, "../../README.md")
	lines := strings.Split(strings.TrimSpace(block(after(t, begin, "```sh\n"))), "\n")
	clone, server := lines[0], lines[len(lines)-1]
	if !strings.Contains(readme, "\n"+clone+"\n") || !strings.HasPrefix(clone, "git clone ") || server != "bin/netherite dev" {
		t.Fatalf("the pages begin with %q and end with %q", clone, server)
	}
	project, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lines[0] = "git clone -q '" + project + "' netherite"
	sh(t, dir, "set -e; "+strings.Join(lines[:len(lines)-1], "; "))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+server)
	cmd.Dir = filepath.Join(dir, "netherite")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := ""
	for said := bufio.NewScanner(out); at == "" && said.Scan(); {
		at, _ = strings.CutPrefix(said.Text(), "data:")
		if at == said.Text() {
			at = ""
		}
	}
	if want := filepath.Join(cmd.Dir, ".netherite"); strings.TrimSpace(at) != want {
		t.Errorf("the data is in %q, want %s", at, want)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended by Ctrl-C: %v", err)
	}
}
