//go:build unix

package readme

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m)
}

// remotePage is what the page about Go programs of servers has a reader do: commands,
// a program, more commands, and what these print in the end.
func remotePage(t *testing.T) (before, program, commands, prints string) {
	t.Helper()
	section := after(t, read(t, "../../docs/go-remote.md"), "## A server with TLS and keys\n")
	before = after(t, section, "```sh\n")
	program = after(t, before, "```go\n")
	commands = after(t, program, "```sh\n")
	return block(before), block(program), block(commands), block(after(t, commands, "```text\n"))
}

// TestAProgramReachesAServerWithTLSAndKeysAsThePageSays follows the page in the folder
// of the server that the page on security makes, beside a clone.
func TestAProgramReachesAServerWithTLSAndKeysAsThePageSays(t *testing.T) {
	before, program, commands, prints := remotePage(t)
	s, dir := sdktest.StartSecure(t)
	beside(t, dir)
	sh(t, dir, "set -e\n"+before)
	write(t, filepath.Join(dir, "main.go"), strings.Replace(program, sdktest.SecureAddress, s.GRPC, 1))
	lines := strings.Split(strings.TrimSpace(commands), "\n")
	for _, line := range lines[:len(lines)-1] {
		sh(t, dir, line)
	}
	if out := sh(t, dir, lines[len(lines)-1]); out != prints {
		t.Errorf("it prints\n%swhat the page says:\n%s", out, prints)
	}
}

// TestTheModuleOfTheREADMECanBecomeAProgramOfAServer: "go get" of the README requires
// what the embedded hub needs, and that must not contradict what the rest does.
func TestTheModuleOfTheREADMECanBecomeAProgramOfAServer(t *testing.T) {
	dir := directory(t)
	for _, command := range setup(t, after(t, read(t, "../../README.md"), "## Your first five minutes")) {
		sh(t, dir, command)
	}
	_, program, commands, _ := remotePage(t)
	write(t, filepath.Join(dir, "main.go"), program)
	tidy, _, _ := strings.Cut(commands, "\n")
	sh(t, dir, tidy)
	sh(t, dir, "go list -deps .") // which fails if a package is in no module, or in two
}
