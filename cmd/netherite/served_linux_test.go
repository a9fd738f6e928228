package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// elsewhere has another process run a hub that sees an empty file system of its own in
// the place of a directory, as a unit with ProtectSystem= or PrivateTmp= and a container
// do.
func elsewhere(t *testing.T, dir, place, options string) *otherHub {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := startOtherBy(exec.Command("unshare", "--mount", "--map-root-user", "sh", "-c", `mount -t tmpfs -o "$1" none "$2" && exec "$0"`, self, options, place), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.end(true) })
	return o
}

func TestABackupThatTheHubsProcessMayNotWriteSaysWhoseItIs(t *testing.T) {
	noContexts(t)
	dir, place := t.TempDir(), t.TempDir()
	o := elsewhere(t, dir, place, "ro")
	_, errs, code := commandLine(t, "backup", dir, filepath.Join(place, "orders"))
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"read-only file system", "process ID " + strconv.Itoa(o.cmd.Process.Pid), "user root", "ReadWritePaths=", "volume"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not in: %s", want, errs)
		}
	}
}

func TestABackupThatOnlyTheHubsProcessSeesIsNotSaidToBeThere(t *testing.T) {
	noContexts(t)
	dir, place := t.TempDir(), t.TempDir()
	elsewhere(t, dir, place, "size=64m")
	dest := filepath.Join(place, "orders")
	out, errs, code := commandLine(t, "backup", dir, dest)
	if want := fmt.Sprintf("nothing is at %s here", dest); code != exitFailed || strings.Contains(out, "ok") || !strings.Contains(errs, want) {
		t.Errorf("exit code %d, %s%s, want %s", code, out, errs, want)
	}
}
