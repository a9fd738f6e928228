//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// hungUp starts a server by a shell's line, in which $0 is the command, and once it is
// ready sends it SIGHUP, and, as that is not to end it, SIGTERM. It returns what its log
// says.
func hungUp(t *testing.T, ends bool, line string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := exec.Command("sh", append([]string{"-c", line, self}, args...)...)
	p.Dir = t.TempDir()
	said, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	ready := bufio.NewReader(said)
	for text := ""; !strings.HasPrefix(text, "data:"); { // the last line
		if text, err = ready.ReadString('\n'); err != nil {
			t.Fatalf("it was never ready: %v\n%s", err, log.String())
		}
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if !ends { // else it might be told of this one first
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, ready); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ends with %v\n%s", err, log.String())
	}
	return log.String()
}

// served is what the commands below have in common.
var served = []string{"--data", "data", "--grpc", "127.0.0.1:0", "--http", "off", "--admin", "off"}

func TestDevEndsWithItsTerminalUnlessItIsToldOtherwise(t *testing.T) {
	for _, c := range []struct {
		name string
		ends bool
		line string
	}{
		{"dev", true, `exec "$0" dev "$@"`},
		{"dev under nohup", false, `trap "" HUP; exec "$0" dev "$@"`},
		{"dev with keys that are read again", false, `"$0" key create ops --role "*=admin" --keys-file keys.yaml >ops.key; exec "$0" dev --keys-file keys.yaml "$@"`},
		{"server", false, `exec "$0" server "$@"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cause := map[bool]string{true: `cause="interrupted: hangup"`, false: `cause="interrupted: terminated"`}[c.ends]
			if log := hungUp(t, c.ends, c.line, served...); !strings.Contains(log, cause) {
				t.Errorf("no %s in\n%s", cause, log)
			}
		})
	}
}
